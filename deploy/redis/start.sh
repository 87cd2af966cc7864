#!/bin/sh
# Starts Redis with one user, `rampart`, whose password is in $REDIS_PASSWORD; the default user is off.
#
#   REDIS_PASSWORD=$(openssl rand -hex 32) sh deploy/redis/start.sh [redis.conf [more arguments of redis-server]]
#
# The user may do what gateways do with keys that begin with the prefix of [redis], `rampart:`, and nothing dangerous.
# Behind Sentinel it also needs `+role`; in a cluster `+cluster|slots +cluster|info`.
set -eu

: "${REDIS_PASSWORD:?generate one: openssl rand -hex 32}"
here=$(cd "$(dirname "$0")" && pwd)
conf=${1:-$here/redis.conf}
[ "$#" -eq 0 ] || shift

# Only the digest of the password is written down.
digest=$(printf '%s' "$REDIS_PASSWORD" | sha256sum | cut -d ' ' -f 1)
acl=${REDIS_ACL_FILE:-/tmp/rampart-users.acl}
umask 077
cat > "$acl" <<USERS
user default off
user rampart on #$digest resetkeys ~rampart:* resetchannels -@all +@read +@write +@scripting +@connection -@dangerous +time +info
USERS
unset REDIS_PASSWORD
exec redis-server "$conf" --aclfile "$acl" "$@"
