package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	klog.SetLogger(logr.New(&jsonSink{out: &output{w: &out}}))
	defer klog.ClearLogger()
	klog.InfoS("HTTP", "verb", "get", "latency", 3*time.Millisecond, "resp", 200, "err", nil, "odd")
	klog.ErrorS(errors.New("full"), "Cannot write", "bad", func() {})
	klog.Info("Trace[1]: \"Create\"\nTrace[1]: END")
	klog.LoggerWithName(klog.Background(), "part").WithValues("a", 1).Info("named")
	var got []map[string]any
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if ts, ok := m["ts"].(float64); !ok || time.Since(time.UnixMilli(int64(ts))) > time.Minute {
			t.Errorf("ts %v", m["ts"])
		}
		got = append(got, m)
	}
	if len(got) != 4 {
		t.Fatal(out.String())
	}
	if m := got[0]; m["msg"] != "HTTP" || m["verb"] != "get" || m["latency"] != "3ms" || m["resp"] != 200.0 || m["v"] != 0.0 || !strings.HasPrefix(m["caller"].(string), "logging/json_test.go:") {
		t.Errorf("%v", m)
	}
	if m := got[1]; m["err"] != "full" || m["v"] != nil || m["bad"] == nil {
		t.Errorf("%v", m)
	}
	if m := got[2]; !strings.Contains(m["msg"].(string), "\nTrace[1]: END") {
		t.Errorf("%v", m)
	}
	if m := got[3]; m["logger"] != "part" || m["a"] != 1.0 {
		t.Errorf("%v", m)
	}
}

func TestFormatFlag(t *testing.T) {
	f := &format{name: "text"}
	if err := f.Set("xml"); err == nil || f.String() != "text" {
		t.Error(err)
	}
	if err := f.Set("text"); err != nil {
		t.Error(err)
	}
}
