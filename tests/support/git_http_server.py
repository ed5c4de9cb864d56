#!/usr/bin/env python3
"""Serves the repositories below a folder over smart HTTP by way of "git http-backend", on loopback only.

usage: git_http_server.py ROOT LOG [CERTIFICATE KEY]     prints the port, then serves until its input closes

  /open/NAME         anybody
  /token/NAME        password "right-token", whatever the user name
  /asuser/NAME       user name "right-token", no password
  /elsewhere/NAME    redirects to /token/NAME at 127.0.0.2, another host
  /status-N/NAME     answers N to everything
  /garbage/NAME      200 and a page of HTML
  /cut/NAME          ends the connection in the middle of each answer to a POST (the pack)
  /hangup/NAME       hangs up after each answer without a word, as if the connection could be used on
  /slow/NAME         a pause of 0.3 s before each answer
  /silent/NAME       takes the request and never answers
LOG gets a line for each request: address asked for, path, "login" or "-".
"""
import base64
import os
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

root, log_path = sys.argv[1], sys.argv[2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def allowed(self, place):
        header = self.headers.get("Authorization", "")
        login = base64.b64decode(header[6:]).decode() if header.startswith("Basic ") else ":"
        user, _, password = login.partition(":")
        return place in ("open", "cut", "hangup", "slow") or (place == "token" and password == "right-token") or (
            place == "asuser" and user == "right-token" and password == "")

    def serve(self):
        content = self.body()
        path, _, query = self.path.partition("?")
        place, _, rest = path.lstrip("/").partition("/")
        with open(log_path, "a") as log:
            log.write(f"{self.headers.get('Host')} {self.path} {'login' if 'Authorization' in self.headers else '-'}\n")
        if place == "elsewhere":
            port = self.server.server_address[1]
            return self.answer(302, [("Location", f"http://127.0.0.2:{port}/token/{rest}?{query}")], b"")
        if place.startswith("status-"):
            return self.answer(int(place[7:]), [], b"said")
        if place == "garbage":
            return self.answer(200, [("Content-Type", "text/html")], b"<html>welcome</html>" * 50)
        if place == "silent":
            time.sleep(600)
        if place == "slow":
            time.sleep(0.3)
        if not self.allowed(place):
            return self.answer(401, [("WWW-Authenticate", 'Basic realm="test"')], b"no")
        env = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO="/" + rest, QUERY_STRING=query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(content)),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""), REMOTE_ADDR="127.0.0.1")
        output = subprocess.run(["git", "http-backend"], input=content, env=env, stdout=subprocess.PIPE).stdout
        head, _, content = output.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        headers = [h for h in headers if h[0] != "Status"]
        if place == "cut" and self.command == "POST":
            return self.cut(status, headers, content)
        self.answer(status, headers, content)
        self.close_connection = self.close_connection or place == "hangup"

    def cut(self, status, headers, content):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:len(content) * 2 // 3])
        self.close_connection = True

    do_GET = do_POST = serve


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
else:
    other = ThreadingHTTPServer(("127.0.0.2", server.server_address[1]), Handler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
