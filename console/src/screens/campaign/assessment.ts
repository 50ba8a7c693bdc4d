// The text that an assessment begins with: every alternative that has to be weighed, to be filled in.

const ALTERNATIVES: readonly (readonly [kind: string, statement: string, likelihood: string, side: string])[] = [
  ['operator', 'One operator trains a model on the answers.', 'likely', 'supporting'],
  ['reseller', 'Somebody sells access on to others.', 'unlikely', 'contradicting'],
  ['honest_customer', "It is one customer's bulk work.", 'very unlikely', 'contradicting'],
  ['framing', 'Somebody wants others to be accused.', 'almost no chance', 'contradicting'],
];

export function skeletonOf(campaignId: string): string {
  const parts = ALTERNATIVES.map(
    ([kind, statement, likelihood, side]) => `
[[hypotheses]]
kind = "${kind}"
statement = "${statement}"
likelihood = "${likelihood}"
confidence = "low"
[[hypotheses.${side}]]
kind = "observation"
says = ""
`,
  );
  return `campaign = ${JSON.stringify(campaignId)}\n${parts.join('')}`;
}
