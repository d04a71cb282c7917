"""All settings, grouped. Every variable is read through env.py and described in .env.example."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from outbound import failpoints
from outbound.env import (
    ended_when_idle,
    env_blocklists,
    env_bool,
    env_database,
    env_int,
    env_list,
    env_mail_server,
    env_money,
    env_secret,
    env_servers,
    env_text,
    env_tiers,
)
from outbound.home import field_keys, home_folder, secret

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where we are -----------------------------------------------------------------------------------------------------
OUTBOUND_HOME = home_folder(BASE_DIR)
DEBUG = env_bool("DEBUG", False)
SECRET_KEY = secret("SECRET_KEY", home=OUTBOUND_HOME)
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")  # earlier keys: unsubscribe links already sent stay valid
FIELD_ENCRYPTION_KEYS = field_keys(OUTBOUND_HOME)
PUBLIC_URL = env_text("PUBLIC_URL").rstrip("/")  # https://outbound.example.com: in unsubscribe links
ALLOWED_HOSTS = env_list(
    "ALLOWED_HOSTS",
    "*" if not PUBLIC_URL else PUBLIC_URL.split("//")[-1].split("/")[0].split(":")[0] + ",localhost,127.0.0.1",
)
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", PUBLIC_URL)
MCP_ALLOWED_ORIGINS = env_list("MCP_ALLOWED_ORIGINS")  # pages in browsers that may call the tools, beside these
BEHIND_PROXY = env_bool("BEHIND_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
X_FRAME_OPTIONS = "DENY"

# --- What is in it ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "outbound",
    "apikeys",
    "leads",
    "sending",
    "campaigns",
    "mcp",
]
MIDDLEWARE = [
    "outbound.middleware.AnswerWhenQuiet",  # outside of every transaction
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "outbound.urls"
WSGI_APPLICATION = "outbound.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Where rows live --------------------------------------------------------------------------------------------------
DATABASES = {"default": env_database("DATABASE_URL", OUTBOUND_HOME / "outbound.sqlite3")}
DATABASE_ENGINE = DATABASES["default"]["ENGINE"].rsplit(".", 1)[-1]
if DATABASE_ENGINE == "sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Taking the write lock at BEGIN is what makes read-modify-write safe: DEFERRED ones fail under contention.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
    # In memory, threads of one test would see different databases.
    DATABASES["default"]["TEST"] = {"NAME": str(OUTBOUND_HOME / "test.sqlite3")}
elif DATABASE_ENGINE == "postgresql":
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A commit holds its locks for milliseconds; a worker that is frozen meanwhile would hold its lane for as long.
    DATABASES["default"]["OPTIONS"] = ended_when_idle(
        DATABASES["default"].get("OPTIONS", {}), seconds=env_int("DATABASE_IDLE_IN_TRANSACTION_SECONDS", 60)
    )
else:
    raise ImproperlyConfigured(f"DATABASE_URL must name PostgreSQL or SQLite, not {DATABASE_ENGINE}.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery: a doorbell, never the truth ------------------------------------------------------------------------------
REDIS_URL = env_text("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL or "embedded://localhost"  # outbound/embedded/broker.py
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
# A publisher must not hang a request when the broker is away: the tick will find the row.
# The lease is how long a killed worker's messages stay away in the embedded broker; a living one renews it.
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"max_retries": 1, "socket_connect_timeout": 2, "socket_timeout": 10}
    if REDIS_URL
    else {"lease_seconds": env_int("BROKER_LEASE_SECONDS", 60, least=1)}
)

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # A Redis that hangs must not hang the requests that only count something there.
        "OPTIONS": {"socket_connect_timeout": 0.25, "socket_timeout": 1},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
# django-ratelimit counts per process without Redis: enough for one embedded web process, and its check says so.
SILENCED_SYSTEM_CHECKS = [] if REDIS_URL else ["django_ratelimit.E003", "django_ratelimit.W001"]

# --- Ticks, leases, limits --------------------------------------------------------------------------------------------
SEND_TICK_SECONDS = env_int("SEND_TICK_SECONDS", 60, least=1)  # how often due steps are looked for
DISPATCH_SECONDS = env_int(
    "DISPATCH_SECONDS", 5, least=1
)  # how often each worker looks at the ledger without being rung
DISPATCH_THREADS = env_int("DISPATCH_THREADS", 4, least=1)  # mailboxes one dispatcher drains at a time
CLAIM_LEASE_SECONDS = env_int("CLAIM_LEASE_SECONDS", 90, least=5)
SMTP_STEP_TIMEOUT_SECONDS = env_int("SMTP_STEP_TIMEOUT_SECONDS", 60, least=1)  # before the dot, all steps together ≤ 80
SMTP_DOT_TIMEOUT_SECONDS = env_int("SMTP_DOT_TIMEOUT_SECONDS", 300, least=1)
UNKNOWN_AFTER_SECONDS = env_int("UNKNOWN_AFTER_SECONDS", 900, least=1)  # must exceed the dot's time-out + 5 s
if min(80, SMTP_STEP_TIMEOUT_SECONDS * 4 / 3) >= CLAIM_LEASE_SECONDS:
    raise ImproperlyConfigured("CLAIM_LEASE_SECONDS must exceed 4/3 of SMTP_STEP_TIMEOUT_SECONDS, or 80.")
if UNKNOWN_AFTER_SECONDS <= SMTP_DOT_TIMEOUT_SECONDS + 5:
    raise ImproperlyConfigured("UNKNOWN_AFTER_SECONDS must exceed SMTP_DOT_TIMEOUT_SECONDS by more than 5.")
IMAP_POLL_SECONDS = env_int("IMAP_POLL_SECONDS", 60, least=1)  # between two looks, where the server tells us nothing
IMAP_IDLE_POLL_SECONDS = env_int("IMAP_IDLE_POLL_SECONDS", 300, least=1)  # where it does: the other folders
IMAP_IDLE_CONNECTIONS = env_int("IMAP_IDLE_CONNECTIONS", 100)  # kept open by one worker; further mailboxes are polled
IMAP_THREADS = env_int("IMAP_THREADS", 4, least=1)  # mailboxes one worker reads at a time
IMAP_STEP_TIMEOUT_SECONDS = env_int("IMAP_STEP_TIMEOUT_SECONDS", 30, least=1)
# A copy found in Sent counts as "in time", and one not found as missing, so long after the send.
SENT_COPY_WITHIN_SECONDS = env_int("SENT_COPY_WITHIN_SECONDS", 120, least=1)
# Mails a day, beside those of each mailbox and run; 0: as many as they send. Of a sending domain; of a workspace; of a
# sending domain to one receiver, who gets less while it asks for less (sending/receivers.py).
DOMAIN_DAILY_LIMIT = env_int("DOMAIN_DAILY_LIMIT", 0)
WORKSPACE_DAILY_LIMIT = env_int("WORKSPACE_DAILY_LIMIT", 0)
RECEIVER_DAILY_LIMIT = env_int("RECEIVER_DAILY_LIMIT", 0)
REPLY_WAIT_SECONDS = env_int("REPLY_WAIT_SECONDS", 20)  # how long POST /replies waits for the mail server's answer
MAX_BODY_BYTES = 10 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# Networks that may be connected to although they are private: a mail server of one's own, and tests.
OUTBOUND_PRIVATE_NETWORKS = env_list("OUTBOUND_PRIVATE_NETWORKS")

# Faults at named moments, for the fault bench (outbound/failpoints.py). Never in production.
FAILPOINTS = env_text("FAILPOINTS")
failpoints.arm(FAILPOINTS)

# --- What a caller may use --------------------------------------------------------------------------------------------
RATE_LIMIT_PER_MINUTE = env_int("RATE_LIMIT_PER_MINUTE", 300, least=1)  # of one key
RATE_LIMIT_BURST = env_int("RATE_LIMIT_BURST", 60, least=1)  # of one key in 10 seconds
RATE_LIMIT_BULK_PER_MINUTE = env_int("RATE_LIMIT_BULK_PER_MINUTE", 10, least=1)  # bulk work of one key
RATE_LIMIT_SIGN_IN_PER_MINUTE = env_int("RATE_LIMIT_SIGN_IN_PER_MINUTE", 20, least=1)  # of one address
RATE_LIMIT_FAILED_AUTH_PER_MINUTE = env_int("RATE_LIMIT_FAILED_AUTH_PER_MINUTE", 120, least=1)  # of one address
RATELIMIT_IP_META_KEY = "apikeys.throttling.client_address"
# {"growth": {"leads": 50000, …}}: what is not named is unlimited, as everything is for those who host it themselves.
TIER_LIMITS = env_tiers("TIER_LIMITS")

# --- Notices to owners ------------------------------------------------------------------------------------------------
# A mail server for what this product itself has to say; without one it is only shown in the admin.
globals().update(env_mail_server("EMAIL_URL"))
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env_text("EMAIL_FROM", "outbound@localhost")
NOTICE_EVERY_MINUTES = env_int("NOTICE_EVERY_MINUTES", 30, least=1)  # between two mails of a kind to one person

# --- The writer of variables ------------------------------------------------------------------------------------------
ANTHROPIC_API_KEY = env_text("ANTHROPIC_API_KEY")
ANTHROPIC_BASE_URL = env_text("ANTHROPIC_BASE_URL")
ANTHROPIC_MODEL = env_text("ANTHROPIC_MODEL", "claude-haiku-5-5")
WRITER_CONCURRENCY = env_int("WRITER_CONCURRENCY", 50, least=1)  # calls of one process in flight, at most
WRITER_BATCH_FROM = env_int("WRITER_BATCH_FROM", 50, least=1)  # leads, from which on what is not urgent costs half
AI_MONTHLY_LIMIT = env_money("AI_MONTHLY_LIMIT")  # dollars a month of a workspace that has no limit of its own

# --- Vendors that send ------------------------------------------------------------------------------------------------
RESEND_BASE_URL = env_text("RESEND_BASE_URL", "https://api.resend.com").rstrip("/")
RESEND_REQUESTS_PER_SECOND = env_int("RESEND_REQUESTS_PER_SECOND", 4, least=1)  # of one API key

# --- Mailboxes of Google and Microsoft (docs/mailboxes.md) ------------------------------------------------------------
GOOGLE_OAUTH_CLIENT_ID = env_text("GOOGLE_OAUTH_CLIENT_ID")
GOOGLE_OAUTH_CLIENT_SECRET = env_secret("GOOGLE_OAUTH_CLIENT_SECRET")
GOOGLE_OAUTH_BASE_URL = env_text("GOOGLE_OAUTH_BASE_URL").rstrip("/")
MICROSOFT_OAUTH_CLIENT_ID = env_text("MICROSOFT_OAUTH_CLIENT_ID")
MICROSOFT_OAUTH_CLIENT_SECRET = env_secret("MICROSOFT_OAUTH_CLIENT_SECRET")
MICROSOFT_OAUTH_TENANT = env_text("MICROSOFT_OAUTH_TENANT", "common")
MICROSOFT_OAUTH_BASE_URL = env_text("MICROSOFT_OAUTH_BASE_URL").rstrip("/")

# --- Validation of addresses ------------------------------------------------------------------------------------------
DNS_NAMESERVERS = env_servers("DNS_NAMESERVERS", port=53)  # none: the machine's own
DNS_TIMEOUT_SECONDS = env_int("DNS_TIMEOUT_SECONDS", 3, least=1)  # of one try
DNS_TRIES = env_int("DNS_TRIES", 2, least=1)
DNS_CONCURRENCY = env_int("DNS_CONCURRENCY", 32, least=1)  # questions of one worker at a time
# Blocklists that let a low volume be asked for, commercially too; each has its own limits (docs/healing.md).
DNSBL_LISTS = env_blocklists(
    "DNSBL_LISTS",
    "domain:black.uribl.com:critical, domain:uribl.spameatingmonkey.net, ip:bl.spamcop.net:critical, "
    "ip:psbl.surriel.com",
)
# Plugs, as dotted paths of functions (docs/validation.md); without them nothing but the DNS is asked.
VALIDATION_CATCH_ALL_PROBE = env_text("VALIDATION_CATCH_ALL_PROBE")
VALIDATION_THIRD_PARTY = env_text("VALIDATION_THIRD_PARTY")

# --- REST -------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apikeys.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apikeys.permissions.HasScope"],
    # One parser and one renderer: with three, generated clients come out wrong.
    "DEFAULT_PARSER_CLASSES": ["outbound.api.parsers.SafeJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["outbound.api.envelope.EnvelopeRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "outbound.api.envelope.IgnoreAccept",
    "EXCEPTION_HANDLER": "outbound.api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "outbound.api.autoschema.Schema",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
    "COERCE_DECIMAL_TO_STRING": True,
}
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    # As long as the algorithm wants, whatever SECRET_KEY is, and good for nothing else.
    "SIGNING_KEY": sha256(f"outbound.tokens:{SECRET_KEY}".encode()).hexdigest(),
    "ISSUER": "outbound",
    "AUDIENCE": "outbound.api",
    "USER_ID_CLAIM": "sub",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Outbound API",
    "DESCRIPTION": "Leads, personal lines, sequences and runs. Send `Authorization: Bearer aiob_…` with every request.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "outbound.api.examples.with_examples",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,  # our values say what they are
    "ENUM_NAME_OVERRIDES": {
        "CampaignStatus": ["draft", "active", "paused", "completed", "archived"],
        "LeadStatus": ["held", "active", "paused", "blocked"],
        "Weekday": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "RunStatus": ["running", "paused", "completed", "failed", "stopped"],
        "EnrollmentStatus": [
            "active",
            "paused",
            "held",
            "completed",
            "replied",
            "bounced",
            "unsubscribed",
            "stopped",
            "failed",
        ],
        "BulkResultStatus": ["created", "duplicate", "rejected", "error"],
        "LeadResultStatus": ["created", "updated", "duplicate", "rejected"],
        "ConnectionSecurity": ["starttls", "tls", "none"],
        "VariableValueState": [
            "pending",
            "generating",
            "done",
            "failed",
            "skipped",
            "stale",
            "overridden",
            "review",
        ],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- People and pages -------------------------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
UNFOLD = {
    "SITE_TITLE": "Outbound",
    "SITE_HEADER": "Outbound",
    "SITE_SUBHEADER": "Sequences that send once",
    "SITE_SYMBOL": "forward_to_inbox",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "outbound.admin.dashboard",
    "STYLES": [lambda request: static("outbound/desk.css")],
    "SCRIPTS": [lambda request: static("outbound/desk.js")],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "#f0fdfa", "100": "#ccfbf1", "200": "#99f6e4", "300": "#5eead4", "400": "#2dd4bf", "500": "#14b8a6",
            "600": "#0f766e", "700": "#115e59", "800": "#134e4a", "900": "#0f3d3a", "950": "#042f2e",
        },
    },
    "SIDEBAR": {"show_search": True, "navigation": "outbound.admin.navigation"},
}  # fmt: skip
STATIC_URL = "/static/"
STATIC_ROOT = OUTBOUND_HOME / "static"
STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_USE_FINDERS = True  # no collectstatic needed to start
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env_text("LOG_LEVEL", "INFO")},
    # 4xx answers are the caller's news, not ours; a line for each call to the model is in its ledger.
    "loggers": {"django.request": {"level": "ERROR"}, "httpx2": {"level": "WARNING"}},
}
