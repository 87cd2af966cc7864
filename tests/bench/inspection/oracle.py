#!/usr/bin/env python3
"""Prepares what libmodsecurity is asked and compares what it says with what Rampart says.

usage: oracle.py conf CRS_DIR [--paranoia N] [--detect] [--responses] [--unicode-map FILE] [--body-limit BYTES]
           prints a ModSecurity main configuration around a CRS folder; with --part processors or --part settings only
           the rules that choose a body's processor, or those that set the paranoia level
       oracle.py corpus FILE.jsonl OUT.packed
           packs recorded requests (the input of `rampart replay`) for the driver `verdicts`
       oracle.py cases TESTS_DIR OUT.packed OUT.expect.jsonl
           packs the stages of go-ftw cases with the answer that CRS's reflecting backend gives; needs PyYAML
       oracle.py expect EXPECT.jsonl VERDICTS.jsonl
           how many cases libmodsecurity passes (verdicts of a `conf --detect --responses` run)
       oracle.py compare VERDICTS.jsonl REPLAY.jsonl [--most PERCENT] [--list N]
           verdicts that differ between libmodsecurity and `rampart replay --out`, each with the rules that only one of
           them saw; exit code 1 when more than PERCENT differ

Bytes travel as latin-1 text wherever JSON holds them. Standard library only, but for `cases`.
"""
import argparse
import base64
import collections
import json
import re
import struct
import sys
import urllib.parse
from pathlib import Path

# --- configuration -------------------------------------------------------------------------------------------------------

PROCESSORS = r'''SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"'''

# What the cases of CRS expect beside detection only.
CASE_LIMITS = ('crs_validate_utf8_encoding=1', 'arg_name_length=100', 'arg_length=400', 'total_arg_length=64000',
               'max_num_args=255', 'max_file_size=64100', 'combined_file_sizes=65535')


def settings(paranoia, detect):
    """The one SecAction between crs-setup and the rules."""
    values = [f'blocking_paranoia_level={paranoia}', f'detection_paranoia_level={paranoia}']
    if detect:
        values += CASE_LIMITS
    engine = 'ctl:ruleEngine=DetectionOnly,' if detect else ''
    return 'SecAction "id:900005,phase:1,nolog,pass,' + engine + ','.join(f'setvar:tx.{v}' for v in values) + '"'


def conf(options):
    if options.part:
        return print(PROCESSORS if options.part == 'processors' else settings(options.paranoia, options.detect))
    crs = Path(options.crs).resolve()
    out = ['SecRuleEngine ' + ('DetectionOnly' if options.detect else 'On'), 'SecRequestBodyAccess On',
           'SecRequestBodyLimit 13107200', f'SecRequestBodyNoFilesLimit {options.body_limit}', PROCESSORS]
    if options.responses:
        out += ['SecResponseBodyAccess On', 'SecResponseBodyMimeType text/plain text/html text/xml application/json',
                'SecResponseBodyLimit 1048576', 'SecResponseBodyLimitAction ProcessPartial']
    else:
        out.append('SecResponseBodyAccess Off')
    out.append('SecAuditEngine Off')
    if options.unicode_map:
        out.append(f'SecUnicodeMapFile {options.unicode_map} 20127')
    out.append(f'Include {crs}/crs-setup.conf.example')
    if options.paranoia != 1 or options.detect:
        out.append(settings(options.paranoia, options.detect))
    out.append(f'Include {crs}/rules/*.conf')
    print('\n'.join(out))


# --- packing -------------------------------------------------------------------------------------------------------------

def text(value):
    value = value if isinstance(value, bytes) else value.encode('latin-1')
    return struct.pack('<I', len(value)) + value


def fields(pairs):
    return struct.pack('<I', len(pairs)) + b''.join(text(n) + text(v) for n, v in pairs)


def packed(id, method, uri, version, headers, body, answer=None):
    out = text(id.encode('ascii', 'replace')) + text(method) + text(uri) + text(version) + text(body) + fields(headers)
    if answer is None:
        return out + struct.pack('<I', 0)
    status, answer_headers, answer_body = answer
    return out + struct.pack('<II', 1, status) + fields(answer_headers) + text(answer_body)


def corpus(options):
    count = 0
    with open(options.input) as lines, open(options.output, 'wb') as out:
        for line in lines:
            r = json.loads(line)
            headers = [(n, v) for n, v in r['headers']]
            out.write(packed(r['id'], r['method'], r['uri'], r['version'], headers, base64.b64decode(r.get('body_b64') or '')))
            count += 1
    print(count, 'requests')


# --- go-ftw cases --------------------------------------------------------------------------------------------------------

def utf8(value):
    """YAML text as it goes over the wire."""
    return str(value).encode('utf-8')


def header(headers, name):
    return next((v for n, v in headers if n.lower() == name), None)


def escaped_form(body):
    """go-ftw escapes a form whose unescaping changes nothing, name and value apart."""
    if b'%' in body or b'+' in body:
        return body
    escape = lambda part: urllib.parse.quote_plus(part, safe='-_.~').encode()
    return b'&'.join(b'='.join(escape(p) for p in token.split(b'=', 1)) for token in body.split(b'&'))


def request_of(given):
    """Method, target, version, fields and body of a stage's input, completed as go-ftw does."""
    if given.get('encoded_request'):
        return raw_request(base64.b64decode(given['encoded_request']))
    method, uri = utf8(given.get('method', 'GET')), utf8(given.get('uri', '/'))
    version = utf8(given.get('version', 'HTTP/1.1'))
    headers = [(utf8(n), utf8(v)) for n, v in (given.get('headers') or {}).items()]
    data = given.get('data')
    body = b'' if data is None else utf8('\r\n'.join(data) if isinstance(data, list) else data)
    lower = [(n.decode('latin-1'), v) for n, v in headers]
    complete = given.get('autocomplete_headers', not given.get('stop_magic', False))
    if complete and body:
        if header(lower, 'content-type') is None:
            headers.append((b'Content-Type', b'application/x-www-form-urlencoded'))
            lower.append(('content-type', b'application/x-www-form-urlencoded'))
        if header(lower, 'content-type') == b'application/x-www-form-urlencoded':
            body = escaped_form(body)
    if (header(lower, 'content-type') or b'').startswith(b'multipart/form-data;'):
        body = body.replace(b'\n', b'\r\n')
    if complete:
        if not header(lower, 'connection'):
            headers.append((b'Connection', b'close'))
        if (body or re.match(rb'POST|PUT|PATCH|DELETE$', method)) and header(lower, 'content-length') is None:
            headers.append((b'Content-Length', str(len(body)).encode()))
    # A field value ends where the line does; blanks around it are no part of it.
    return method, uri, version, [(n, v.strip(b' \t')) for n, v in headers], body


def raw_request(raw):
    head, _, body = raw.partition(b'\r\n\r\n')
    lines = head.split(b'\r\n')
    first = lines[0].split(b' ')
    method, uri, version = first[0], b' '.join(first[1:-1]) if len(first) > 2 else first[-1], first[-1]
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(b':')
        headers.append((name, value.strip(b' \t')))
    named = [(n.decode('latin-1'), v) for n, v in headers]
    if (header(named, 'transfer-encoding') or b'').lower().strip() == b'chunked':
        body = unchunked(body)
    else:
        length = header(named, 'content-length')
        body = body[:int(length)] if length and length.isdigit() else b''
    return method, uri, version, headers, body


def unchunked(body):
    out = b''
    while body:
        size, _, body = body.partition(b'\r\n')
        try:
            size = int(size.split(b';')[0], 16)
        except ValueError:
            break
        if size == 0:
            break
        out, body = out + body[:size], body[size + 2:]
    return out


def answer_to(method, uri, body):
    """What the backend of CRS's cases answers: nothing, or at POST /reflect what the JSON says."""
    if not (method == b'POST' and uri.split(b'?')[0].endswith(b'/reflect')):
        return 200, [('Content-Type', 'text/plain'), ('Content-Length', '0')], b''
    try:
        wish = json.loads(body)
    except ValueError:
        return 400, [('Content-Length', '0')], b''
    content = base64.b64decode(wish['encodedBody']) if wish.get('encodedBody') else wish.get('body', '').encode()
    headers = [(n.encode(), str(v).encode()) for n, v in (wish.get('headers') or {}).items()]
    if not any(n.lower() == b'content-type' for n, _ in headers):
        headers.append((b'Content-Type', b'text/plain; charset=utf-8'))
    return int(wish.get('status', 200)), headers + [(b'Content-Length', str(len(content)).encode())], content


def stages(folder):
    import yaml
    for file in sorted(p for p in Path(folder).rglob('*') if p.suffix in ('.yaml', '.yml')):
        document = yaml.safe_load(file.read_bytes())
        for index, test in enumerate(document['tests'], 1):
            rule = document.get('rule_id') or file.stem
            name = test.get('test_title') or f'{rule}-{test.get("test_id", index)}'
            for number, stage in enumerate(test['stages'], 1):
                stage = stage.get('stage', stage)
                yield f'{name}#{number}', file, rule, stage['input'], stage.get('output') or {}


def cases(options):
    count = 0
    with open(options.output, 'wb') as out, open(options.expect, 'w') as expect:
        for id, file, rule, given, output in stages(options.folder):
            method, uri, version, headers, body = request_of(given)
            out.write(packed(id, method, uri, version, headers, body, answer_to(method, uri, body)))
            log = output.get('log') or {}
            old = ' '.join(str(output.get(k) or '') for k in ('log_contains',))
            hidden = ' '.join(str(output.get(k) or '') for k in ('no_log_contains',))
            ids = lambda given, line: sorted({*(given or []), *map(int, re.findall(r'id "(\d+)"', line))})
            expect.write(json.dumps({
                'id': id, 'file': file.parent.name + '/' + file.name, 'rule': rule,
                'expect_ids': ids(log.get('expect_ids'), old), 'no_expect_ids': ids(log.get('no_expect_ids'), hidden),
                'match_regex': log.get('match_regex'), 'no_match_regex': log.get('no_match_regex'), 'status': output.get('status'),
                'request': {'method': method.decode('latin-1'), 'uri': uri.decode('latin-1'), 'version': version.decode('latin-1'),
                            'headers': [[n.decode('latin-1'), v.decode('latin-1')] for n, v in headers],
                            'body_b64': base64.b64encode(body).decode()}}) + '\n')
            count += 1
    print(count, 'stages')


# --- reading answers -----------------------------------------------------------------------------------------------------

def lines(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def expect(options):
    """A case that only a log line or a status can decide is counted apart: the driver writes no log."""
    verdicts = {v['id']: v for v in lines(options.verdicts)}
    passed, failed, other = 0, [], 0
    for case in lines(options.expect):
        seen = set(verdicts[case['id']]['ids'])
        if not case['expect_ids'] and not case['no_expect_ids']:
            other += 1
        elif set(case['expect_ids']) <= seen and not set(case['no_expect_ids']) & seen:
            passed += 1
        else:
            failed.append(case)
    for case in failed:
        print(f'{case["id"]:<16} expected {case["expect_ids"]} not {case["no_expect_ids"]}, matched {verdicts[case["id"]]["ids"]}')
    print(f'{passed} stages as expected, {len(failed)} not ({100 * passed / max(1, passed + len(failed)):.2f} %), {other} are decided by a log line or a status')


def rule_numbers(rules):
    """CRS ids among the rules of a replay line: numbers, texts, or "set:942100"."""
    found = set()
    for rule in rules:
        rule = rule.get('rule', rule.get('id', '')) if isinstance(rule, dict) else rule
        digits = re.search(r'(\d{4,})$', str(rule))
        if digits:
            found.add(int(digits.group(1)))
    return found


# libmodsecurity takes `noauditlog` for `nolog`, so that it never tells of CRS's rule that reports the scores.
NEVER_TOLD = {980170}


def compare(options):
    theirs = {v['id']: v for v in lines(options.verdicts)}
    ours = {}
    for line in lines(options.replay):
        ours.setdefault(line['id'], line)
    missing = [id for id in theirs if id not in ours]
    if missing:
        print(f'{len(missing)} requests are missing from the replay, the first: {missing[0]}')
        return 1
    differ, only_theirs, only_ours, same_rules = [], collections.Counter(), collections.Counter(), 0
    for id, they in theirs.items():
        we = ours[id]
        a, b = set(they['ids']), rule_numbers(we.get('rules', [])) - NEVER_TOLD
        only_theirs.update(a - b)
        only_ours.update(b - a)
        same_rules += a == b
        if they['blocked'] != (we['verdict'] not in ('pass', 'would_block')):
            differ.append((id, they, we, a - b, b - a))
    for id, they, we, a, b in differ[:options.list]:
        print(f'{id}\n    libmodsecurity: {they["status"] or "pass"} score {they["score"]}, only there: {sorted(a)}'
              f'\n    rampart:        {we["verdict"]} {we.get("status", "")} score {we.get("score", "")}, only here: {sorted(b)}')
    share = 100 * len(differ) / max(1, len(theirs))
    print(f'verdicts: {len(theirs)} requests, {len(differ)} differ ({share:.2f} %, target: at most {options.most} %): '
          f'{"met" if share <= options.most else "MISSED"}; same rules matched in {same_rules}')
    for name, counter in (('libmodsecurity', only_theirs), ('rampart', only_ours)):
        if counter:
            print(f'rules that only {name} saw: ' + ', '.join(f'{rule} x{n}' for rule, n in counter.most_common(30)))
    return 0 if share <= options.most else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command = parser.add_subparsers(dest='command', required=True)
    c = command.add_parser('conf')
    c.add_argument('crs'), c.add_argument('--paranoia', type=int, default=1), c.add_argument('--detect', action='store_true')
    c.add_argument('--responses', action='store_true'), c.add_argument('--unicode-map')
    c.add_argument('--body-limit', type=int, default=1048576), c.add_argument('--part', choices=('processors', 'settings'))
    c = command.add_parser('corpus')
    c.add_argument('input'), c.add_argument('output')
    c = command.add_parser('cases')
    c.add_argument('folder'), c.add_argument('output'), c.add_argument('expect')
    c = command.add_parser('expect')
    c.add_argument('expect'), c.add_argument('verdicts')
    c = command.add_parser('compare')
    c.add_argument('verdicts'), c.add_argument('replay'), c.add_argument('--most', type=float, default=0.2)
    c.add_argument('--list', type=int, default=20)
    options = parser.parse_args()
    return globals()[options.command](options)


if __name__ == '__main__':
    sys.exit(main())
