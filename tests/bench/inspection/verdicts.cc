// What libmodsecurity says about recorded requests: verdict, status, anomaly scores and the ids of the rules that matched,
// one JSON line a request. It is the oracle that verdicts are compared with; it measures nothing (the text of a log line
// costs libmodsecurity time, and here rules are reported as structures).
//
// usage: verdicts CONF IN.packed OUT.jsonl
// IN.packed comes from oracle.py (little-endian; a string is u32 length and bytes). For each transaction:
//   id method uri version body strings, u32 number of headers, name and value strings,
//   u32 1 when a response follows: u32 status, u32 number of headers, name and value strings, body string.
// The order of calls is that of the nginx connector: after each phase that can refuse, the intervention is asked for, and a
// refused transaction goes no further.
//
// Debian: libmodsecurity-dev; c++ -std=c++17 -O2 verdicts.cc -lmodsecurity

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <modsecurity/modsecurity.h>
#include <modsecurity/rule_message.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Answer {
    bool there = false;
    uint32_t status = 0;
    Fields fields;
    std::string body;
};

struct Exchange {
    std::string id, method, uri, version, body;
    Fields fields;
    Answer answer;
};

struct Verdict {
    int status = 0;             // 0: passed
    const char *phase = "";     // the phase that refused
    std::set<int> rules;
};

uint32_t number(FILE *in) {
    unsigned char b[4];
    if (fread(b, 1, 4, in) != 4) { fprintf(stderr, "the packed file is cut short\n"); exit(1); }
    return uint32_t(b[0]) | uint32_t(b[1]) << 8 | uint32_t(b[2]) << 16 | uint32_t(b[3]) << 24;
}

std::string text(FILE *in) {
    std::string s(number(in), '\0');
    if (!s.empty() && fread(&s[0], 1, s.size(), in) != s.size()) { fprintf(stderr, "the packed file is cut short\n"); exit(1); }
    return s;
}

Fields fields(FILE *in) {
    Fields all(number(in));
    for (auto &field : all) { field.first = text(in); field.second = text(in); }
    return all;
}

bool next(FILE *in, Exchange *e) {
    int c = getc(in);
    if (c == EOF) return false;
    ungetc(c, in);
    e->id = text(in);
    e->method = text(in);
    e->uri = text(in);
    e->version = text(in);
    e->body = text(in);
    e->fields = fields(in);
    e->answer = Answer();
    if (number(in)) {
        e->answer.there = true;
        e->answer.status = number(in);
        e->answer.fields = fields(in);
        e->answer.body = text(in);
    }
    return true;
}

// libmodsecurity hands over what a rule that logs would have logged; `data` is the rule set of the transaction at hand.
void matched(void *data, const void *message) {
    auto rules = static_cast<std::set<int> *>(data);
    if (rules && message) rules->insert(static_cast<const modsecurity::RuleMessage *>(message)->m_ruleId);
}

bool refused(modsecurity::Transaction *t, const char *phase, Verdict *verdict) {
    modsecurity::ModSecurityIntervention it;
    memset(&it, 0, sizeof it);
    it.status = 200;
    bool disruptive = t->intervention(&it);
    if (disruptive) {
        verdict->status = it.status;
        verdict->phase = phase;
    }
    free(it.log);
    free(it.url);
    return disruptive;
}

const unsigned char *bytes(const std::string &s) { return reinterpret_cast<const unsigned char *>(s.data()); }

bool request_refused(modsecurity::Transaction *t, const Exchange &e, Verdict *verdict) {
    t->processConnection("127.0.0.1", 40000, "127.0.0.1", 80);
    const char *version = e.version.c_str();
    if (strncmp(version, "HTTP/", 5) == 0) version += 5;
    t->processURI(e.uri.c_str(), e.method.c_str(), version);
    if (refused(t, "uri", verdict)) return true;
    for (const auto &f : e.fields) t->addRequestHeader(bytes(f.first), f.first.size(), bytes(f.second), f.second.size());
    t->processRequestHeaders();
    if (refused(t, "request headers", verdict)) return true;
    t->appendRequestBody(bytes(e.body), e.body.size());
    if (refused(t, "request body", verdict)) return true;
    t->processRequestBody();
    return refused(t, "request body", verdict);
}

bool answer_refused(modsecurity::Transaction *t, const Answer &a, Verdict *verdict) {
    for (const auto &f : a.fields) t->addResponseHeader(bytes(f.first), f.first.size(), bytes(f.second), f.second.size());
    t->processResponseHeaders(int(a.status), "HTTP 1.1");
    if (refused(t, "response headers", verdict)) return true;
    t->appendResponseBody(bytes(a.body), a.body.size());
    t->processResponseBody();
    return refused(t, "response body", verdict);
}

int score(modsecurity::Transaction *t, const char *name) {
    auto value = t->m_collections.m_tx_collection->resolveFirst(name);
    return value ? atoi(value->c_str()) : 0;
}

void print(FILE *out, const Exchange &e, const Verdict &v, modsecurity::Transaction *t) {
    fprintf(out, "{\"id\":\"");
    for (unsigned char c : e.id) {
        if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
        else if (c < 0x20 || c > 0x7e) fprintf(out, "\\u%04x", c);
        else putc(c, out);
    }
    fprintf(out, "\",\"blocked\":%s,\"status\":%d,\"phase\":\"%s\",\"score\":%d,\"outbound_score\":%d,\"ids\":[",
            v.status ? "true" : "false", v.status, v.phase, score(t, "blocking_inbound_anomaly_score"),
            score(t, "blocking_outbound_anomaly_score"));
    const char *comma = "";
    for (int id : v.rules) { fprintf(out, "%s%d", comma, id); comma = ","; }
    fprintf(out, "]}\n");
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 4) { fprintf(stderr, "usage: verdicts CONF IN.packed OUT.jsonl\n"); return 2; }
    modsecurity::ModSecurity engine;
    engine.setConnectorInformation("verdict oracle");
    engine.setServerLogCb(matched, modsecurity::RuleMessageLogProperty);
    modsecurity::RulesSet rules;
    if (rules.loadFromUri(argv[1]) < 0) { fprintf(stderr, "%s\n", rules.getParserError().c_str()); return 1; }
    FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "w");
    if (!in || !out) { perror("open"); return 1; }
    Exchange e;
    unsigned long total = 0, blocked = 0;
    while (next(in, &e)) {
        Verdict v;
        modsecurity::Transaction t(&engine, &rules, &v.rules);
        if (!request_refused(&t, e, &v) && e.answer.there) answer_refused(&t, e.answer, &v);
        // Phase 5 runs last, whatever the verdict; its rules (980xxx) log and refuse nothing.
        t.processLogging();
        // The rule that refuses is not logged through the callback: it is kept here, with every other that has a message.
        for (const auto &message : t.m_rulesMessages) v.rules.insert(message.m_ruleId);
        print(out, e, v, &t);
        total++;
        blocked += v.status != 0;
    }
    fprintf(stderr, "%lu transactions, %lu blocked\n", total, blocked);
    return fclose(out) == 0 ? 0 : 1;
}
