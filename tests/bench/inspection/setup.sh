# What the inspection benches share: where things are, the rules as both engines load them, and the gateway's
# configuration. Sourced from the workspace root with `scratch` set.
# shellcheck shell=bash disable=SC2154

shared=$(realpath -m "${RAMPART_SHARED:-../shared}")
crs=$shared/crs
here=tests/bench/inspection
release=${CARGO_TARGET_DIR:-target}/release
rampart=${RAMPART:-$release/rampart}

skip() {
    echo "inspection bench skipped: $1"
    exit 0
}

# The Core Rule Set beside the configuration, for that is where a gateway looks for it.
install_rules() {
    mkdir -p "$scratch/rules" "$scratch/crs"
    cp -r "$crs/crs-setup.conf.example" "$crs/rules" "$scratch/crs/"
    # libmodsecurity has no limit of arguments unless one is set.
    printf 'SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 134217728\nSecRequestBodyNoFilesLimit 134217728\nSecArgumentsLimit 1000000\n' \
        >"$scratch/crs/before.conf"
    "$here/oracle.py" conf "$crs" --part processors >>"$scratch/crs/before.conf"
    local level
    for level in 1 4; do
        "$here/oracle.py" conf "$crs" --paranoia "$level" >"$scratch/modsec$level.conf"
        "$here/oracle.py" conf "$crs" --paranoia "$level" --part settings >"$scratch/crs/paranoia$level.conf"
    done
    "$here/oracle.py" conf "$crs" --body-limit 13107200 >"$scratch/modsec-large.conf"
}

# Rules that only CRS judges by: the gateway's own content limits are lifted, its own findings noted. What two parsers
# read differently in a path is let pass, for libmodsecurity knows no such thing.
write_gateway() { # LEVEL
    local level=$1 folder=$scratch/gateway$1
    mkdir -p "$folder/rules" "$folder/var"
    cp -r "$scratch/crs" "$folder/crs"
    cat >"$folder/rules/bench.toml" <<TOML
version = 1

[[route]]
name = "all"
match = { path = "/**" }
upstream = "agents"
inspection = "crs"
body_limit = "64MiB"
allow = ["encoded_slash", "backslash", "nul", "double_encoding", "parameter", "empty_segment", "invalid_utf8"]

[profile.crs]
mode = "block"
seclang = ["crs/before.conf", "crs/crs-setup.conf.example", "crs/paranoia$level.conf", "crs/rules/*.conf"]
work = "64GiB"

[profile.crs.limits]
body = 1_073_741_824
decoded_body = 1_073_741_824
uri_length = 1_048_576
query_parameters = 100_000
cookies = 10_000
header_count = 10_000
header_length = 1_048_576
header_bytes = 4_194_304
arguments = 1_000_000
argument_name_length = 1_048_576
string_length = 1_073_741_824
form_fields = 1_000_000
json_depth = 512
array_length = 1_000_000
object_keys = 1_000_000
number_length = 1_048_576
xml_depth = 512
xml_attributes = 10_000
multipart_parts = 100_000
files = 10_000
file_size = 1_073_741_824
file_name_length = 65_536

[profile.crs.problems]
$(for code in bad_target bad_path invalid_percent nul_byte bad_header_name bad_header_value duplicate_header ambiguous_framing \
    bad_content_type unknown_charset invalid_charset byte_order_mark unknown_encoding bad_encoding truncated_encoding \
    trailing_encoded_bytes malformed_json duplicate_key trailing_json lone_surrogate malformed_xml xml_doctype xml_entity \
    bad_boundary truncated_multipart malformed_multipart ambiguous_part multipart_outside nested_multipart \
    part_transfer_encoding; do echo "$code = \"note\""; done)
TOML
    cat >"$folder/config.toml" <<TOML
version = 1
rules = "rules"
[listener.main]
address = "127.0.0.1:1"
[admin]
address = "127.0.0.1:2"
token = "secret://env/RAMPART_ADMIN_TOKEN"
[probe]
address = "127.0.0.1:2"
[upstream.agents]
addresses = ["http://127.0.0.1:1"]
[log.access]
to = "file"
path = "var/access.log"
[log.events]
to = "file"
path = "var/events.log"
[log.admin]
to = "file"
path = "var/admin.log"
[storage]
path = "var/rampart.db"
TOML
}

# One pass over the requests by libmodsecurity, by the driver that the figures are checked with.
build_timer() {
    cc -O2 -w -o "$scratch/modsec_bench" "$shared/bench/modsec_bench.c" -lmodsecurity
}

build_oracle() {
    c++ -std=c++17 -O2 -w -o "$scratch/verdicts" "$here/verdicts.cc" -lmodsecurity
}

pack() { # FILE.jsonl OUT.packed
    python3 "$shared/bench/jsonl_to_packed.py" "$2" "$1" >/dev/null
}

# Verdicts go to OUT.jsonl, the summary with the latencies of all runs to OUT.json.
replay() { # LEVEL FILE OUT REPEAT
    "$rampart" replay "$2" --config "$scratch/gateway$1/config.toml" --profile crs --threads 1 --repeat "$4" \
        --out "$3.jsonl" --json >"$3.json" 2>"$3.log" || { cat "$3.log" >&2; echo "rampart replay failed" >&2; exit 1; }
}
