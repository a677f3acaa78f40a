package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// api makes a request of the server that a data folder's kubeconfig names.
func api(t *testing.T, dataDir, method, path, body string) (int, []byte) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dataDir, "admin.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout = time.Minute
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(method, config.Host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, raw
}

// run runs a command and gives what it said.
func run(args ...string) (string, error) {
	out, err := program(args...).CombinedOutput()
	return string(out), err
}

// A server is backed up while it runs and when it does not, lost, and restored:
// its objects are there at their versions, and who has seen later ones is told.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	data, online, offline := filepath.Join(dir, "data"), filepath.Join(dir, "online"), filepath.Join(dir, "offline")
	server, _ := serving(t, data)
	const maps = "/api/v1/namespaces/default/configmaps"
	version := func(raw []byte) string {
		var o struct {
			Metadata struct{ ResourceVersion string }
		}
		if err := json.Unmarshal(raw, &o); err != nil || o.Metadata.ResourceVersion == "" {
			t.Fatalf("%v: %s", err, raw)
		}
		return o.Metadata.ResourceVersion
	}
	_, raw := api(t, data, "POST", maps, `{"metadata":{"name":"kept"},"data":{"a":"b"}}`)
	kept := version(raw)
	if out, err := run("backup", online, "--data-dir="+data); err != nil || !strings.Contains(out, "objects as they were at revision") {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(online); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: it has Secrets in it", info, err)
	}
	_, raw = api(t, data, "POST", maps, `{"metadata":{"name":"lost"}}`)
	lost := version(raw)

	// The folder is the server's as long as it runs.
	for _, args := range [][]string{{"backup", offline, "--offline"}, {"restore", online}} {
		if out, err := run(append(args, "--data-dir="+data)...); err == nil || !strings.Contains(out, "in use by another pilothouse") {
			t.Errorf("%v beside the server: %v: %s", args, err, out)
		}
	}
	stop(t, server)
	if out, err := run("backup", offline+"2", "--data-dir="+data); err == nil || !strings.Contains(out, "--offline") {
		t.Errorf("of a server that does not run: %v: %s", err, out)
	}
	if out, err := run("restore", online, "--data-dir="+data); err == nil || !strings.Contains(out, "has objects") {
		t.Errorf("over what is there: %v: %s", err, out)
	}
	if out, err := run("backup", offline, "--offline", "--data-dir="+data); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	whole, err := os.ReadFile(online)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, whole[:len(whole)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(data, "db")); err != nil {
		t.Fatal(err)
	}
	if out, err := run("restore", damaged, "--data-dir="+data); err == nil || !strings.Contains(out, "damaged") {
		t.Errorf("a damaged backup: %v: %s", err, out)
	}
	if out, err := run("restore", online, "--data-dir="+data, "--bump-revision=5000"); err != nil || !strings.Contains(out, "objects are there, at revision") {
		t.Fatalf("%v: %s", err, out)
	}
	serving(t, data)
	code, raw := api(t, data, "GET", maps+"/kept", "")
	if code != 200 || version(raw) != kept || !bytes.Contains(raw, []byte(`"a":"b"`)) {
		t.Errorf("%d %s", code, raw)
	}
	if code, raw := api(t, data, "GET", maps+"/lost", ""); code != 404 {
		t.Errorf("%d %s", code, raw)
	}
	if code, raw := api(t, data, "GET", maps+"?watch=true&timeoutSeconds=60&resourceVersion="+lost, ""); code != 410 && !bytes.Contains(raw, []byte(`"code":410`)) {
		t.Errorf("a watch from what was lost: %d %s", code, raw)
	}
	_, raw = api(t, data, "POST", maps, `{"metadata":{"name":"new"}}`)
	var at, before int
	fmt.Sscan(version(raw), &at)
	fmt.Sscan(lost, &before)
	if at < before+4000 {
		t.Errorf("a new object is at %d, the lost one was at %d", at, before)
	}
}

// A backup has all Secrets, so it is the administrator's.
func TestBackupsAreForAdministrators(t *testing.T) {
	_, greeting := serving(t, t.TempDir())
	url := regexp.MustCompile(`https://\S+`).FindString(greeting)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Get(url + "/backup")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("somebody gets a backup: %s", resp.Status)
	}
}
