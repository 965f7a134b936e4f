import { readFileSync } from 'node:fs';
import { ExplainAnswer, ExplainFindingCode, StreamHintCode } from '@sluice/contract';
import type { TLiteral, TUnion } from 'typebox';
import Value from 'typebox/value';
import { describe, expect, it } from 'vitest';
import type { ExplainFacts } from './finding.ts';
import { verdictOf } from './verdict.ts';

const PAGE = readFileSync(new URL('../../../../../docs/see-what-is-wrong.md', import.meta.url), 'utf8');

function example(): ExplainAnswer {
  const [, text = ''] = /```json explain\n([\s\S]*?)```/.exec(PAGE) ?? [];
  return JSON.parse(text) as ExplainAnswer;
}

function literals(schema: unknown): string[] {
  const { anyOf, const: value } = schema as Partial<TUnion> & Partial<TLiteral>;
  return anyOf === undefined ? [String(value)] : anyOf.flatMap(literals);
}

describe('the guide', () => {
  it('shows an answer that keeps to the schema, and has no field that answers do not have', () => {
    const shown = example();
    expect([...Value.Errors(ExplainAnswer, shown)]).toEqual([]);
    expect(Value.Clean(ExplainAnswer, structuredClone(shown))).toEqual(shown);
  });

  it('shows the verdict that follows from what it shows', () => {
    const { verdict, ...facts } = example();
    expect(verdictOf(facts as ExplainFacts)).toEqual(verdict);
  });

  it('names every code but those of the hints, which the console explains', () => {
    const hints = new Set(literals(StreamHintCode));
    const codes = literals(ExplainFindingCode).filter((code) => !hints.has(code));
    expect(codes.length).toBeGreaterThan(20);
    expect(codes.filter((code) => !PAGE.includes(`\`${code}\``))).toEqual([]);
  });
});
