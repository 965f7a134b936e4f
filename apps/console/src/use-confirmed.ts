import { type Ref, ref, type ShallowRef, shallowRef } from 'vue';
import { describeProblem } from './server-api.ts';

/** Something that is done to one row of a list after a question. */
export interface Confirmed<Row> {
  /** The row that the question is about; undefined while none is asked. */
  readonly asked: ShallowRef<Row | undefined>;
  /** Why it was not done; empty when it was. */
  readonly failure: Ref<string>;
  /** Takes the answer to the question. */
  answer(confirmed: boolean): Promise<void>;
}

/**
 * @param act what is done when the answer is yes
 * @param then called after it was done or has failed
 */
export function useConfirmed<Row>(act: (row: Row) => Promise<unknown>, then: () => void): Confirmed<Row> {
  const asked = shallowRef<Row>();
  const failure = ref('');
  return {
    asked,
    failure,
    async answer(confirmed) {
      const row = asked.value;
      asked.value = undefined;
      failure.value = '';
      if (!confirmed || row === undefined) return;
      try {
        await act(row);
      } catch (error) {
        failure.value = describeProblem(error);
      }
      then();
    },
  };
}
