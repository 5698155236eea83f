"""The rest of AWS: moto behind one gate, with a journal that lets it survive a restart."""
