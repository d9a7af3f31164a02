import { activation } from '../core/activations';
import { DataError } from '../core/errors';

/**
 * Checks what a configuration says of transformer layers before anything is loaded.
 *
 * @param setting - the configuration's name for the activation
 * @throws DataError for heads that do not divide the size, or an activation that is not known
 */
export function expectLayers(
  { hiddenSize, numHeads, activation: name }: { hiddenSize: number; numHeads: number; activation: string },
  setting = 'hidden_act',
): void {
  if (hiddenSize % numHeads !== 0)
    throw new DataError(`A hidden size of ${hiddenSize} cannot be divided among ${numHeads} attention heads.`);
  activation(name, setting);
}
