import Type from 'typebox';

/** Most characters of a text in a request. */
export const MAX_TEXT_LENGTH = 4096;
/** Most entries of a list in a request. */
export const MAX_LIST_LENGTH = 1000;

/** A text of a request; clients may send a number. */
export const text = (description: string) => Type.String({ maxLength: MAX_TEXT_LENGTH, description });

/** A text that must have at least one character. */
export const name = (description: string) => Type.String({ minLength: 1, maxLength: MAX_TEXT_LENGTH, description });

/** True or false; clients may send either as a text. */
export const flag = (description: string) => Type.Boolean({ description });

/** A list of texts; clients may send one text alone. */
export const texts = (description: string) =>
  Type.Array(Type.String({ maxLength: MAX_TEXT_LENGTH }), { maxItems: MAX_LIST_LENGTH, description });
