// In the form in which bundlers find the files and take them along.
const urls = {
  'exceptions.txt.gz': new URL('./data/exceptions.txt.gz', import.meta.url),
  'function-words.txt.gz': new URL('./data/function-words.txt.gz', import.meta.url),
  'paraphrases.bin.gz': new URL('./data/paraphrases.bin.gz', import.meta.url),
  'synsets.txt.gz': new URL('./data/synsets.txt.gz', import.meta.url),
};

export async function open(name) {
  const response = await fetch(urls[name]);
  if (!response.ok) throw new Error(`${urls[name]} answered ${response.status} ${response.statusText}`);
  return response.body;
}
