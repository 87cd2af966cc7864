#!/usr/bin/env python3
"""Writes requests whose bodies are JSON documents of given sizes, in the form that `rampart replay` reads: does the cost
of a byte stay the same as bodies grow?

usage: documents.py OUT.jsonl BYTES [BYTES ...]

A document is a list of tasks as agents post them: nested objects, prose, identifiers, numbers, dates. It is the same for
the same size on every machine (an own generator of numbers, no library's), each text differs from all others, and none of
it is an attack. A document is within one task of the size asked for; names and nesting do not grow with it.
"""
import base64
import json
import sys

WORDS = ('quarterly figures shipping dates customer answer meeting notes draft review budget agent report weekly sample '
         'product warehouse delay invoice contract team office travel agenda summary question morning evening garden '
         'river bridge window letter paper colour number person morning project design engine battery signal island '
         'harbour ticket holiday weather season market village kitchen recipe teacher student lesson history music').split()


class Numbers:
    """Marsaglia's xorshift64: enough for prose."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        x = self.state
        x ^= (x << 13) & (2**64 - 1)
        x ^= x >> 7
        x ^= (x << 17) & (2**64 - 1)
        self.state = x
        return x % bound


def prose(numbers, words):
    text = ' '.join(WORDS[numbers.below(len(WORDS))] for _ in range(words))
    return text[0].upper() + text[1:] + '.'


def task(numbers, turn):
    return {
        'id': f'{numbers.below(2**32):08x}-{turn:06d}', 'title': prose(numbers, 5), 'priority': numbers.below(5),
        'done': numbers.below(2) == 0, 'score': numbers.below(10**6) / 1000,
        'created': f'2026-{1 + numbers.below(12):02d}-{1 + numbers.below(28):02d}',
        'owner': {'name': prose(numbers, 2)[:-1], 'team': WORDS[numbers.below(len(WORDS))]},
        'labels': [WORDS[numbers.below(len(WORDS))] for _ in range(3)],
        'steps': [{'text': prose(numbers, 12 + numbers.below(25)), 'minutes': numbers.below(90)} for _ in range(3)],
        'description': prose(numbers, 40 + numbers.below(80)),
    }


def document(size):
    numbers, tasks, length = Numbers(88172645463325252), [], len('{"tasks":[]}')
    while length < size:
        text = json.dumps(task(numbers, len(tasks)))
        length += len(text) + 1
        tasks.append(text)
    return ('{"tasks":[' + ','.join(tasks) + ']}').encode()


def request(size):
    body = document(size)
    return {'id': f'json-{size}', 'label': 'benign', 'method': 'POST', 'uri': '/api/v1/tasks/import', 'version': 'HTTP/1.1',
            'headers': [['Host', 'agents.example.com'], ['User-Agent', 'task-importer/2.1'], ['Accept', 'application/json'],
                        ['Content-Type', 'application/json'], ['Content-Length', str(len(body))]],
            'body_b64': base64.b64encode(body).decode()}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], 'w') as out:
        for size in sys.argv[2:]:
            out.write(json.dumps(request(int(size))) + '\n')


if __name__ == '__main__':
    main()
