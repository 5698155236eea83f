"""The business behind the source: plans, prices, features, words and how customers behave."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Plan:
    """A plan and how its customers behave; the probabilities of what follows a period on it sum to 1."""

    id: int
    name: str
    max_contents_per_month: int
    monthly_cents: int
    share_of_new: float
    mean_days: float
    """Mean length of a period on this plan, before it changes or ends."""
    next_plans: tuple[float, float, float]
    """Probability that Gratuita, Premium, Empresarial follows; the rest, up to 1, leaves."""
    contents_per_month: float


PLANS: Final = (
    Plan(1, "Gratuita", 5, 0, 0.58, 210.0, (0.0, 0.48, 0.07), 0.5),
    Plan(2, "Premium", 50, 1999, 0.33, 260.0, (0.17, 0.28, 0.17), 1.4),
    Plan(3, "Empresarial", 1000, 9900, 0.09, 420.0, (0.03, 0.22, 0.50), 4.0),
)

COMEBACK: Final = 0.18
"""Share of customers who left and come back later."""
COMEBACK_MEAN_DAYS: Final = 75.0
SAME_DAY_CHANGE: Final = 0.012
"""Share of periods that end on the day they started: a customer who chose the wrong plan and corrects it."""
PRICE_RISE: Final = 0.15
"""Prices rose by this share one year before `until`."""

CYCLES: Final = (("mensual", 1, 1.0, 0.68), ("trimestral", 3, 0.95, 0.2), ("anual", 12, 0.85, 0.12))
"""Billing cycle, months, price factor, share."""
METHODS: Final = (("tarjeta de crédito", 0.55), ("tarjeta de débito", 0.2), ("transferencia", 0.15), ("billetera", 0.1))
MISSED_PAYMENT: Final = 0.02

CYCLE_NAMES: Final = tuple(cycle[0] for cycle in CYCLES)
METHOD_NAMES: Final = tuple(method[0] for method in METHODS)

FEATURES: Final = (
    ("Analítica avanzada", "Tableros y exportación de métricas", 4900),
    ("Marca propia", "Colores, logotipo y dominio propios", 2900),
    ("Subtítulos automáticos", "Subtítulos en español, portugués e inglés", 1500),
    ("Certificados", "Certificados verificables al terminar un contenido", 1900),
    ("Encuestas", "Preguntas dentro del contenido", 900),
    ("Transmisión en vivo", "Sesiones en vivo con grabación", 7900),
    ("Soporte prioritario", "Respuesta en menos de cuatro horas", 5900),
    ("Almacenamiento extra", "100 GB adicionales", 1200),
)
"""Name, description, base price in cents; the first ones sell best."""

FIRST_NAMES: Final = (
    *("Ana", "Bruno", "Camila", "Diego", "Elena", "Facundo", "Gabriela", "Hernán", "Inés", "Joaquín"),
    *("Karina", "Lucas", "Martina", "Nicolás", "Olivia", "Pablo", "Rocío", "Santiago", "Tamara", "Valentín"),
)
LAST_NAMES: Final = (
    *("Acosta", "Benítez", "Castro", "Domínguez", "Escobar", "Fernández", "Gómez", "Herrera", "Ibarra", "Juárez"),
    *("Ledesma", "Medina", "Núñez", "Ortiz", "Peralta", "Quiroga", "Ramírez", "Suárez", "Torres", "Vega"),
)
DOMAINS: Final = ("correo.example", "empresa.example", "estudio.example", "escuela.example")
CONTENT_TYPES: Final = ("video", "artículo", "podcast", "cuestionario", "infografía")
TOPICS: Final = ("Finanzas", "Cocina", "Historia", "Programación", "Diseño", "Idiomas", "Salud", "Música", "Ventas")
FORMS: Final = ("Introducción a", "Guía de", "Taller de", "Historia de", "Secretos de", "Práctica de", "Claves de")
