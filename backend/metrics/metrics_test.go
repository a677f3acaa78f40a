package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"
)

func scrape(t *testing.T) string {
	t.Helper()
	b, contentType, err := Text()
	if err != nil || !strings.HasPrefix(contentType, "text/plain") {
		t.Fatal(contentType, err)
	}
	return string(b)
}

func TestRequestsAreCountedByWhatTheyAre(t *testing.T) {
	info := request.ParseInfo("GET", "/apis/apps/v1/namespaces/a/deployments", false, "")
	done := RequestBegins(&info)
	if !strings.Contains(scrape(t), `apiserver_current_inflight_requests{request_kind="readOnly"} 1`) {
		t.Error("a request in flight is not counted")
	}
	done(200, 3*time.Millisecond)
	text := scrape(t)
	for _, want := range []string{
		`apiserver_request_total{code="200",component="apiserver",dry_run="",group="apps",resource="deployments",scope="namespace",subresource="",verb="LIST",version="v1"} 1`,
		`apiserver_request_duration_seconds_count{component="apiserver",group="apps",resource="deployments",scope="namespace",subresource="",verb="LIST",version="v1"} 1`,
		`apiserver_current_inflight_requests{request_kind="readOnly"} 0`,
		"go_goroutines ",
		"process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not there", want)
		}
	}
}

func TestStreamsAreCountedWhileTheyLast(t *testing.T) {
	info := request.ParseInfo("GET", "/api/v1/pods", true, "")
	line := `apiserver_longrunning_requests{component="apiserver",group="",resource="pods",scope="cluster",subresource="",verb="WATCH",version="v1"} `
	ended := StreamBegins(&info)
	if !strings.Contains(scrape(t), line+"1") {
		t.Error("an open watch is not counted")
	}
	ended()
	if !strings.Contains(scrape(t), line+"0") {
		t.Error("an ended watch is counted")
	}
}

// Whoever asks for paths that do not exist must not fill the memory with
// series.
func TestUnknownPathsShareOneSeries(t *testing.T) {
	for i := range 100 {
		info := request.ParseInfo("GET", fmt.Sprintf("/api/v1/nothing%d", i), false, "")
		RequestBegins(&info)(404, time.Millisecond)
	}
	text := scrape(t)
	if strings.Contains(text, "nothing") || !strings.Contains(text, `code="404",component="apiserver",dry_run="",group="",resource="other"`) {
		t.Error("what is not there has a series of its own")
	}
}
