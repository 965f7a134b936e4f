export { type ExplainDeps, type Explained, explain } from './explain.ts';
