import type { AttentionLSTMCaptioner } from '../attentionLSTMCaptioner';
import type { OwnCaptioner } from '../loadCaptioner';
import { LSTMCaptioner } from '../lstmCaptioner';
import type { DualEncoder } from '../models/dualEncoder';
import { TransformerCaptioner } from '../transformerCaptioner';
import { VERSION } from '../version';
import type { TraineeRecord } from './trainee';

export type TrainingRecord = TraineeRecord & {
  layout: string;
  trainPictures: number;
  devPictures: number;
};

/** README.md of a captioner that the command trained. */
export function captionerCard(
  captioner: OwnCaptioner,
  record: TrainingRecord & { beamSize: number; lengthPenalty: number },
): string {
  return modelCard(record, {
    title: 'An image captioner',
    scored: `Captions generated with beam ${record.beamSize} and length penalty ${record.lengthPenalty}, scored against all reference captions after PTB tokenization;
BLEU and ROUGE-L from 0 to 1, CIDEr (CIDEr-D) from 0 to 10.`,
    model: `${encoderOf(captioner)} ${decoderOf(captioner)}`,
    caution: `It repeats what people wrote about the pictures that it was trained on: their subjects, their guesses about people, their mistakes. It names what it
has seen often, with confidence, also where it is wrong, and it has no word for what its vocabulary lacks. Nobody should rely on a caption of it
where a wrong one does harm.`,
  });
}

/** README.md of a dual encoder that the command trained. */
export function dualEncoderCard(model: DualEncoder, record: TrainingRecord): string {
  const { config } = model;
  const words =
    config.textLayers === 0
      ? 'a bag of words'
      : `${config.textLayers} transformer layer${plural(config.textLayers)} over words`;
  return modelCard(record, {
    title: 'A dual encoder of pictures and texts',
    scored: `Every caption is searched for its picture among all of the split, and every picture for the best of its captions. Recalls from 0 to 1: the share
that has the right one among the first 1, 5 or 10.`,
    model: `${encoderOf(model)} Pictures and ${words} (embeddings of ${config.embeddingSize}, a vocabulary of ${config.vocabSize}), ${config.hiddenSize} wide, pooled by ${
      config.pooling
    }, in one space of ${config.projectionSize}.`,
    caution: `It knows what people wrote about the pictures that it was trained on, with their guesses and their mistakes, and passes over words that its
vocabulary lacks. What it finds first is no proof that it is there.`,
  });
}

const plural = (count: number) => (count === 1 ? '' : 's');

function encoderOf({ encoder }: Pick<DualEncoder, 'encoder'>): string {
  return `Encoder \`${encoder.config.type}\`, a grid of ${encoder.grid.join(' x ')} positions of ${encoder.featureSize} features.`;
}

function decoderOf(captioner: OwnCaptioner): string {
  if (captioner instanceof TransformerCaptioner) return transformerOf(captioner);
  return captioner instanceof LSTMCaptioner ? recurrentOf(captioner) : attendingOf(captioner);
}

function attendingOf(captioner: AttentionLSTMCaptioner): string {
  const { config, attention } = captioner.decoder;
  const gate = config.contextGate ? ' with a gate on the context' : '';
  return `Attention of the kind ${attention.config.type}, size ${config.attentionSize}${gate}, ${recurrentOf(captioner)}`;
}

function recurrentOf({ decoder: { config } }: AttentionLSTMCaptioner | LSTMCaptioner): string {
  const cell = (config.cell ?? 'lstm').toUpperCase();
  return `${config.numLayers} ${cell} layer${plural(config.numLayers)} of ${config.hiddenSize}, word embeddings of ${config.embeddingSize}, a vocabulary of ${config.vocabSize}.`;
}

function transformerOf({ config }: TransformerCaptioner): string {
  return `${config.encoderLayers} transformer layer${plural(config.encoderLayers)} over the features and ${config.numLayers} over the words, ${config.hiddenSize} wide with ${config.numHeads} heads, a vocabulary of ${config.vocabSize}.`;
}

/** What a model is, from what, how good, and what nobody has checked. */
function modelCard(
  record: TrainingRecord,
  { title, scored, model, caution }: { title: string; scored: string; model: string; caution: string },
): string {
  const scores = Object.entries(record.scores).map(([name, value]) => `| ${name} | ${value.toFixed(4)} |`);
  const options = Object.entries(record.options).map(([name, value]) => `| ${name} | ${value} |`);
  return `# ${title} trained on ${record.layout}

Made by \`tfjs-captioning train\` ${VERSION}. It was trained on the ${record.trainPictures} pictures of the training split; epoch ${record.epoch} was
chosen on the ${record.devPictures} pictures of the development split.

## Scores on the development split

${scored}

| metric | score |
|---|---|
${scores.join('\n')}

## The model

${model}

## The recipe

| option | value |
|---|---|
${options.join('\n')}

${Math.round(record.seconds / 60)} minutes, backend ${record.backend}.

## What to know before using it

${caution}
`;
}
