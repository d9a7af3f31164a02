import edu.cmu.meteor.aligner.Match;
import edu.cmu.meteor.scorer.MeteorConfiguration;
import edu.cmu.meteor.scorer.MeteorScorer;
import edu.cmu.meteor.scorer.MeteorStats;
import edu.cmu.meteor.util.Constants;
import edu.cmu.meteor.util.Normalizer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import org.tartarus.snowball.ext.englishStemmer;

/**
 * Asks METEOR 1.5 what it does inside: a line `stem TAB word`, `normalise TAB text` or `align TAB candidate TAB reference` on
 * standard input gives a line on standard output. Run by make_metric_goldens.py as java -cp meteor-1.5.jar MeteorProbe.java.
 */
public class MeteorProbe {
  public static void main(String[] arguments) throws Exception {
    MeteorConfiguration configuration = new MeteorConfiguration();
    configuration.setLanguage("en");
    configuration.setNormalization(Constants.NORMALIZE_KEEP_PUNCT);
    MeteorScorer scorer = new MeteorScorer(configuration);
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    PrintStream output = new PrintStream(System.out, false, "UTF-8");
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] parts = line.split("\t", -1);
      if (parts[0].equals("stem")) output.println(stem(parts[1]));
      else if (parts[0].equals("normalise")) output.println(normalise(parts[1]));
      else output.println(align(scorer, parts[1], parts[2]));
    }
    output.flush();
  }

  static String stem(String word) {
    englishStemmer stemmer = new englishStemmer();
    stemmer.setCurrent(word);
    stemmer.stem();
    return stemmer.getCurrent();
  }

  static String normalise(String text) {
    return Normalizer.normalizeLine(text, Constants.LANG_EN, true);
  }

  static String align(MeteorScorer scorer, String candidate, String reference) {
    MeteorStats stats = scorer.getMeteorStats(candidate, reference);
    List<String> matches = new ArrayList<>();
    for (Match match : stats.alignment.matches)
      if (match != null)
        matches.add(match.module + " " + match.start + " " + match.length + " " + match.matchStart + " " + match.matchLength);
    return String.join("\t", stats.toString(), "" + stats.score, "" + stats.precision, "" + stats.recall, "" + stats.fMean,
        "" + stats.fragPenalty, String.join(" ", stats.alignment.words1), String.join(" ", stats.alignment.words2),
        String.join(";", matches));
  }
}
