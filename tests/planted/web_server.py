"""A small web server on the loopback: /page/N is a page of some paragraphs. Connections stay open for who wants that (HTTP/1.1)."""
import http.server
import threading
import time


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one piece

    def setup(self):
        super().setup()
        time.sleep(0.004)  # what greeting a stranger takes: on a real network some round trips
        with self.server.lock:
            self.server.connections += 1

    def do_GET(self):
        number = int(self.path.rsplit("/", 1)[1])
        body = ("# Page %d\n\n" % number + "".join("Part %d of page %d is about shelf %d.\n\n" % (i, number, i * number % 97) for i in range(20))).encode()
        time.sleep(0.001)
        with self.server.lock:
            self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/markdown")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Use as a context; `url`, and how many `connections` and `requests` there were."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Pages)
        self.lock, self.connections, self.requests = threading.Lock(), 0, 0
        self.url = "http://127.0.0.1:%d" % self.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
