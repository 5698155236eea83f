"""What leaves this server for people and programs: mails of SES and SNS, and SNS's calls of HTTP endpoints."""
