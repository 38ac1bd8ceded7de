// Rounds of maps of lists, each of which ends with a collection: javac Lists.java && java -Xms8m -XX:MinHeapFreeRatio=5
// -XX:MaxHeapFreeRatio=5 Lists [ROUNDS]
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class Lists {
  static Map<Integer, List<String>> alive;

  public static void main(String[] arguments) {
    int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 8;
    long begun = System.nanoTime();
    for (int round = 0; round < rounds; round++) {
      alive = new HashMap<>();
      for (int i = 0; i < 120_000; i++) {
        List<String> items = new ArrayList<>();
        for (int j = 0; j < 8; j++) items.add("item " + i + " " + j);
        alive.put(i, items);
      }
      alive = null;
      System.gc();
    }
    System.out.println((System.nanoTime() - begun) / 1_000_000 + " ms");
  }
}
