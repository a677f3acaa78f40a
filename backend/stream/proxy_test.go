package stream_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// ownAddress is an address of this machine that others could reach. The API
// server proxies to no other kind.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but those of loopback")
	return ""
}

func TestPodsAndServicesAreProxied(t *testing.T) {
	f := start(t)
	ip := ownAddress(t)
	l, err := net.Listen("tcp", ip+":0")
	must(t, err)
	site := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			up := websocket.Upgrader{}
			ws, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer ws.Close()
			_, p, _ := ws.ReadMessage()
			ws.WriteMessage(websocket.TextMessage, []byte(strings.ToUpper(string(p))))
			return
		}
		fmt.Fprintf(w, "%s %s %q", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"))
	})}}
	site.Start()
	defer site.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if code, text := f.do("PATCH", "/api/v1/namespaces/ns/pods/one/status", fmt.Sprintf(`{"status":{"podIP":%q,"podIPs":[{"ip":%q}]}}`, ip, ip), "Content-Type", "application/merge-patch+json"); code != 200 {
		t.Fatal(text)
	}
	f.create("/api/v1/namespaces/ns/services", `{"metadata":{"name":"s"},"spec":{"clusterIP":"None","ports":[{"name":"web","port":80}]}}`)
	f.create("/api/v1/namespaces/ns/endpoints", fmt.Sprintf(`{"metadata":{"name":"s"},"subsets":[{"addresses":[{"ip":%q,"targetRef":{"kind":"Pod","namespace":"ns","name":"one"}}],"ports":[{"name":"web","port":%d}]}]}`, ip, port))
	pod := fmt.Sprintf("/api/v1/namespaces/ns/pods/one:%d/proxy", port)
	for _, base := range []string{pod, "/api/v1/namespaces/ns/services/s:80/proxy", "/api/v1/namespaces/ns/services/s:web/proxy", "/api/v1/namespaces/ns/services/http:s:web/proxy"} {
		if code, text := f.do("GET", base+"/a?b=c", ""); code != 200 || text != `GET /a?b=c ""` {
			t.Errorf("%s: %d %s", base, code, text)
		}
	}
	if code, text := f.do("GET", "/api/v1/namespaces/ns/services/https:s:web/proxy/", ""); code != 503 || !strings.Contains(text, "error trying to reach service: tls: first record does not look like a TLS handshake") {
		t.Errorf("%d %s", code, text)
	}
	ws := f.webSocket(pod+"/socket", "")
	must(t, ws.WriteMessage(websocket.TextMessage, []byte("hello")))
	if _, p, err := ws.ReadMessage(); err != nil || string(p) != "HELLO" {
		t.Errorf("%q %v", p, err)
	}
}
