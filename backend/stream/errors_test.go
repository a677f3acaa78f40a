package stream_test

import (
	"strings"
	"testing"
)

func TestErrorsAreThoseOfKubernetes(t *testing.T) {
	f := start(t)
	pods := "/api/v1/namespaces/ns/pods/"
	check := func(method, path, want string, headers ...string) {
		t.Helper()
		if got := strings.TrimSpace(f.message(method, path, headers...)); got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", method, path, got, want)
		}
	}
	check("GET", pods+"waiting/log", "204")
	check("GET", pods+"none/log", `404 NotFound: pods "none" not found`)
	check("GET", pods+"one/log?tailLines=x", `400 BadRequest: strconv.ParseInt: parsing "x": invalid syntax`)
	check("GET", pods+"one/log?tailLines=-1&limitBytes=0&sinceSeconds=0", `422 Invalid: PodLogOptions "one" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: Invalid value: 0: must be greater than 0, sinceSeconds: Invalid value: 0: must be greater than 0]`)
	check("GET", pods+"one/log?sinceSeconds=5&sinceTime=2026-01-02T03:04:05Z", "422 Invalid: PodLogOptions \"one\" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified")
	check("GET", pods+"one/log?sinceTime=yesterday", `400 BadRequest: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"`)
	check("GET", pods+"one/log?stream=Stdout", `422 Invalid: PodLogOptions "one" is invalid: stream: Forbidden: may not be specified`)
	check("GET", pods+"p/log", "400 BadRequest: a container name must be specified for pod p, choose one of: [c d]")
	check("GET", pods+"p/log?container=e", "400 BadRequest: container e is not valid for pod p")
	check("GET", pods+"one/log?previous=true", "400 BadRequest: previous terminated container not found")
	check("GET", pods+"off/log", `500 : Get "https://127.0.0.1:1/containerLogs/ns/off/c": dial tcp 127.0.0.1:1: connect: connection refused`)
	check("GET", pods+"lost/log", "500 : no preferred addresses found; known addresses: []")
	check("POST", pods+"one/log", "405 MethodNotAllowed: the server does not allow this method on the requested resource")
	check("POST", pods+"one/exec?command=ls", "400 BadRequest: Upgrade request required")
	check("GET", pods+"one/exec?command=ls", "403 Forbidden: pods \"one\" is forbidden: no rule for it", "Authorization", "Bearer reader")
	check("POST", pods+"p/exec?command=ls", "400 BadRequest: a container name must be specified for pod p, choose one of: [c d]")
	check("POST", pods+"waiting/attach", "400 BadRequest: pod waiting does not have a host assigned")
	check("POST", pods+"waiting/portforward", "400 BadRequest: pod waiting does not have a host assigned")
	check("POST", pods+"one/portforward?ports=web", `400 BadRequest: strconv.ParseInt: parsing "web": invalid syntax`)
	check("POST", pods+"off/exec?command=ls&stdout=1", "500 : error dialing backend: dial tcp 127.0.0.1:1: connect: connection refused", "Connection", "Upgrade", "Upgrade", "SPDY/3.1")
	check("POST", pods+"one/exec?command=refuse&stdout=1", "404 container not running", "Connection", "Upgrade", "Upgrade", "SPDY/3.1")
	check("GET", pods+"one/exec?command=ls", "400 BadRequest: not a WebSocket handshake of version 13", "Connection", "Upgrade", "Upgrade", "websocket")
	check("GET", pods+"one/exec?command=ls", "400 BadRequest: requested protocol(s) are not supported: [v9.channel.k8s.io]; supports [v5.channel.k8s.io v4.channel.k8s.io v4.base64.channel.k8s.io channel.k8s.io base64.channel.k8s.io ]",
		"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol", "v9.channel.k8s.io")
	check("GET", pods+"waiting/proxy/", "400 BadRequest: address not allowed")
	check("GET", pods+"none/proxy/", `404 NotFound: pods "none" not found`)
	check("GET", pods+"a:b:c:d/proxy/", `400 BadRequest: invalid pod request "a:b:c:d"`)
	check("GET", "/api/v1/nodes/none/proxy/", `404 NotFound: nodes "none" not found`)
	check("GET", "/api/v1/nodes/n:9999/proxy/", "400 BadRequest: address not allowed")
	check("GET", "/api/v1/nodes/off/proxy/healthz", "503 ServiceUnavailable: error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused")
}

func TestServiceProxyFindsEndpoints(t *testing.T) {
	f := start(t)
	services := "/api/v1/namespaces/ns/services/"
	f.create("/api/v1/namespaces/ns/services", `{"metadata":{"name":"s"},"spec":{"clusterIP":"None","ports":[{"name":"web","port":80},{"name":"admin","port":81}]}}`)
	check := func(name, want string) {
		t.Helper()
		if got := f.message("GET", services+name+"/proxy/"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	check("s", `404 NotFound: services "s" not found`)
	check("s:82", `503 ServiceUnavailable: no service port 82 found for service "s"`)
	check("ftp:s:80", `400 BadRequest: invalid service request "ftp:s:80"`)
	f.create("/api/v1/namespaces/ns/endpoints", `{"metadata":{"name":"s"}}`)
	check("s:web", `503 ServiceUnavailable: no endpoints available for service "s"`)
	// An address that is no pod's leads nowhere.
	f.create("/api/v1/namespaces/ns/endpoints", `{"metadata":{"name":"t"},"subsets":[{"addresses":[{"ip":"10.9.9.9"}],"ports":[{"name":"web","port":1}]}]}`)
	check("https:t:web", `503 ServiceUnavailable: no endpoints available for service "https:t:web"`)
}
