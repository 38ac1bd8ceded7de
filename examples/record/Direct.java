// Four threads fill 400 direct buffers of 1 MiB each, or one again and again: javac Direct.java && java Direct [keep]
import java.nio.ByteBuffer;

public class Direct {
  public static void main(String[] arguments) throws Exception {
    boolean keeps = arguments.length > 0 && arguments[0].equals("keep");
    Thread[] threads = new Thread[4];
    for (int number = 0; number < threads.length; number++) {
      threads[number] = new Thread(() -> {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
        for (int message = 0; message < 400; message++) {
          if (!keeps) buffer = ByteBuffer.allocateDirect(1 << 20);
          for (int at = 0; at < 1 << 20; at += 8) buffer.putLong(at, at);
        }
      });
      threads[number].start();
    }
    for (Thread thread : threads) thread.join();
  }
}
