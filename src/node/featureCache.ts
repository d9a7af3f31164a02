import { homedir } from 'node:os';
import { join } from 'node:path';
import { type FeatureStore, type FeatureStoreOptions, openFeatureStore } from '../training/featureStore';
import type { EncoderIdentity, FeatureCache } from '../training/features';
import { directory } from './directory';

/** Where features are kept unless told otherwise: the user's cache folder. */
export function defaultFeatureFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tfjs-captioning', 'features');
}

/** Features in folders; `close` writes what was collected. */
export interface FeatureFolders extends FeatureCache {
  of(identity: EncoderIdentity): Promise<FeatureStore>;
  close(): Promise<void>;
}

/** A folder with the features of any number of encoders: each has a folder in it, named by its fingerprint. */
export function featureCache(folder: string, options: FeatureStoreOptions = {}): FeatureFolders {
  return folders((identity) => openFeatureStore(directory(join(folder, identity.fingerprint)), identity, options));
}

/**
 * The folder of one encoder, as the command `features` makes it; features of another are refused. A folder that is empty becomes
 * that of the first encoder that asks.
 */
export function featureFolder(folder: string, options: FeatureStoreOptions = {}): FeatureFolders {
  const open = (identity: EncoderIdentity) => openFeatureStore(directory(folder), identity, options);
  let opening: Promise<FeatureStore> | undefined;
  return folders(async (identity) => {
    opening ??= open(identity);
    return (await opening).of(identity);
  });
}

function folders(open: (identity: EncoderIdentity) => Promise<FeatureStore>): FeatureFolders {
  const opened = new Map<string, Promise<FeatureStore>>();
  return {
    of(identity) {
      const found = opened.get(identity.fingerprint) ?? open(identity);
      opened.set(identity.fingerprint, found);
      return found;
    },
    async close() {
      // One that could not be opened has said so to who asked for it.
      for (const store of await Promise.allSettled(opened.values()))
        if (store.status === 'fulfilled') await store.value.flush();
    },
  };
}
