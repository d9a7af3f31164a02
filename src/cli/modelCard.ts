import type { AttentionLSTMCaptioner } from '../attentionLSTMCaptioner';
import { VERSION } from '../version';

export type TrainingRecord = {
  layout: string;
  trainPictures: number;
  devPictures: number;
  /** Options of the command, by name. */
  options: Readonly<Record<string, unknown>>;
  epoch: number;
  /** Scores on the development split, as fractions. */
  scores: Readonly<Record<string, number>>;
  beamSize: number;
  lengthPenalty: number;
  /** Seconds of training up to this model, validation included. */
  seconds: number;
  backend: string;
};

/** README.md of a model that the command trained: what it is, from what, how good, and what nobody has checked. */
export function modelCard(captioner: AttentionLSTMCaptioner, record: TrainingRecord): string {
  const { config } = captioner.decoder;
  const scores = Object.entries(record.scores).map(([name, value]) => `| ${name} | ${value.toFixed(4)} |`);
  const options = Object.entries(record.options).map(([name, value]) => `| ${name} | ${value} |`);
  return `# An image captioner trained on ${record.layout}

Made by \`tfjs-captioning train\` ${VERSION}. It was trained on the ${record.trainPictures} pictures of the training split; epoch ${record.epoch} was
chosen on the ${record.devPictures} pictures of the development split.

## Scores on the development split

Captions generated with beam ${record.beamSize} and length penalty ${record.lengthPenalty}, scored against all reference captions after PTB tokenization;
BLEU and ROUGE-L from 0 to 1, CIDEr (CIDEr-D) from 0 to 10.

| metric | score |
|---|---|
${scores.join('\n')}

## The model

Encoder \`${captioner.encoder.config.type}\`, a grid of ${captioner.encoder.grid.join(' x ')} positions of ${config.featureSize} features. Additive attention of size ${config.attentionSize}${
    config.contextGate ? ' with a gate on the context' : ''
  }, ${config.numLayers} LSTM layer${config.numLayers === 1 ? '' : 's'} of ${config.hiddenSize}, word embeddings of ${config.embeddingSize}, a vocabulary of ${config.vocabSize}.

## The recipe

| option | value |
|---|---|
${options.join('\n')}

${Math.round(record.seconds / 60)} minutes, backend ${record.backend}.

## What to know before using it

It repeats what people wrote about the pictures that it was trained on: their subjects, their guesses about people, their mistakes. It names what it
has seen often, with confidence, also where it is wrong, and it has no word for what its vocabulary lacks. Nobody should rely on a caption of it
where a wrong one does harm.
`;
}
