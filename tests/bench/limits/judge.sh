#!/usr/bin/env bash
# Passes on what an example of rampart-limits prints, and says of each figure that has a target whether it is met. The
# exit code is 1 where one is missed, or where a figure that has to be there is not.
#
# usage: judge.sh exactness|memory|cost|shared <OUTPUT
set -eu -o pipefail

awk -v part="$1" '
    function judge(what, value, met, target) {
        judged++
        if (!met) missed++
        verdict[judged] = sprintf("  %-46s %12s   target: %s: %s", what, value, target, met ? "met" : "MISSED")
    }
    # The number before or after a word.
    function before(word,   at) { match($0, "[0-9.]+ " word); return RSTART ? substr($0, RSTART, RLENGTH) + 0 : -1 }
    function after(word) { match($0, word " [0-9.]+"); return RSTART ? substr($0, RSTART + length(word), RLENGTH) + 0 : -1 }
    # A time as Rust prints it, in microseconds.
    function micros(text) {
        if (text ~ /ns/) return text / 1000
        if (text ~ /µs/) return text + 0
        if (text ~ /ms/) return text * 1000
        return text * 1000000
    }
    { print }
    part == "exactness" && /wrong decisions/ {
        name = $0; sub(/  +.*/, "", name)
        judge(name ": wrong decisions", before("wrong"), before("wrong") == 0, "0")
    }
    part == "memory" && /live keys: / {
        judge($1 ": MB for a million keys", before("MB at most"), $0 ~ /^[a-z_]+ +1000000 / && after("[(]") < 64, "under 64")
    }
    part == "memory" && /^all keys/ { flood = $0; sub(/:.*/, "", flood) }
    part == "memory" && /MB at most of/ {
        bound = after("MB at most of")
        judge(flood ": MB", before("MB at most of"), before("MB at most of") <= bound, "at most " bound)
    }
    part == "cost" && /ns a decision/ {
        name = $0; sub(/ +one key.*/, "", name)
        judge(name ": ns", before("ns a decision"), before("ns a decision") < 1000, "under 1000")
    }
    part == "cost" && /a request of four/ { judge("a request of four quotas: ns", after("quotas: *"), after("quotas: *") < 4000, "under 4000") }
    part == "shared" && / admitted, .* asked/ {
        name = $0; sub(/^ +/, "", name); sub(/:.*/, "", name)
        match($0, /: [0-9]+ of [0-9]+/); split(substr($0, RSTART + 2, RLENGTH - 2), count, " of ")
        judge(name ": admitted", count[1], count[1] == count[2], count[2] ", never more, never less")
    }
    part == "shared" && /[(][0-9]+ %[)], .* asked/ {
        match($0, /[(][0-9]+ %/); share = substr($0, RSTART + 1) + 0
        judge("a rate over 3 s: % of it", share, share >= 99 && share <= 100, "99 to 100")
    }
    part == "shared" && /quotas a request, / {
        match($0, /[0-9]+ requests one/); requests = substr($0, RSTART) + 0
        trips = before("scripts") / requests
        judge($1 " quotas of a request: round trips", sprintf("%.3f", trips), trips < 1.01, "one")
    }
    part == "shared" && /^Redis frozen/ {
        match($0, /first took [^,]+/); first = micros(substr($0, RSTART + 11, RLENGTH - 11))
        match($0, /p99 [^;]+/); late = micros(substr($0, RSTART + 4, RLENGTH - 4))
        judge("Redis frozen: the first request, ms", sprintf("%.1f", first / 1000), first < 60000, "one deadline (30), below two")
        judge("Redis frozen: p99 of the others, us", sprintf("%.1f", late), late < 1000, "no deadline, below 1000")
    }
    END {
        print ""
        for (i = 1; i <= judged; i++) print verdict[i]
        if (!judged) { print "  nothing was measured" }
        exit missed > 0 || !judged
    }
'
