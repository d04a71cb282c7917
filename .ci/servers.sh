# Sourced by .ci/run: makes sure that a PostgreSQL and a Redis answer, and says in TEST_* where they are.
# Uses what answers, else starts what is installed, else installs it (Debian; needs root). Fails without.

POSTGRES_PORT=${POSTGRES_PORT:-5432}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_packages() {
    echo "Installing $* …"
    as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq "$@" >/dev/null
}

wait_for() {
    local tries
    for tries in $(seq 60); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.5
    done
    echo "No answer: $*" >&2
    return 1
}

postgres_answers() { pg_isready -q -h 127.0.0.1 -p "$POSTGRES_PORT"; }
redis_answers() { [ "$(redis-cli -h 127.0.0.1 ping 2>/dev/null)" = PONG ]; }

login_works() { psql -h 127.0.0.1 -p "$POSTGRES_PORT" -U "$1" -d postgres -Atc 'select 1' >/dev/null 2>&1; }

start_postgres() {
    command -v pg_ctlcluster >/dev/null || install_packages postgresql
    local version cluster rest
    read -r version cluster POSTGRES_PORT rest < <(pg_lsclusters -h)
    as_root pg_ctlcluster "$version" "$cluster" start || true  # an installation starts it by itself
    wait_for postgres_answers
}

# A role of the tests' own when the server lets nobody in without a password.
postgres_url() {
    if login_works postgres; then
        echo "postgres://postgres@127.0.0.1:$POSTGRES_PORT/postgres"
        return
    fi
    as_root su postgres -c "createuser -p $POSTGRES_PORT --createdb outbound_ci" 2>/dev/null || true
    as_root su postgres -c "psql -p $POSTGRES_PORT -qc \"alter role outbound_ci password 'outbound_ci'\"" >&2
    echo "postgres://outbound_ci:outbound_ci@127.0.0.1:$POSTGRES_PORT/postgres"
}

if [ -z "${TEST_DATABASE_URL:-}" ]; then
    command -v pg_isready >/dev/null && postgres_answers || start_postgres
    TEST_DATABASE_URL=$(postgres_url)
fi
if [ -z "${TEST_REDIS_URL:-}" ]; then
    command -v redis-server >/dev/null || redis_answers || install_packages redis-server
    redis_answers || redis-server --port 6379 --bind 127.0.0.1 --daemonize yes --save '' --appendonly no >/dev/null
    wait_for redis_answers
    TEST_REDIS_URL=redis://127.0.0.1:6379/15
fi
export TEST_DATABASE_URL TEST_REDIS_URL
