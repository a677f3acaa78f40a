package apitest_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pilothouse/backend"
	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const treasure = "aVZlcnlMb25nVHJlYXN1cmVUaGF0Tm9ib2R5TWF5UmVhZA=="

// encrypting writes a configuration and gives the options that name it.
func encrypting(t *testing.T, file string, providers ...string) func(o *config.Options) {
	t.Helper()
	content := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n"
	for _, p := range providers {
		content += "  - " + p + "\n"
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(o *config.Options) { o.Storage.EncryptionConfig, o.Storage.EncryptionReload = file, true }
}

func key(kind, name string, of byte) string {
	return kind + ": {keys: [{name: " + name + ", secret: " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{of}, 32)) + "}]}"
}

func value(o *unstructured.Unstructured) string {
	v, _, _ := unstructured.NestedString(o.Object, "data", "k")
	return v
}

// onDisk tells whether a text is in a file below a folder.
func onDisk(t *testing.T, dir, text string) (where string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(text)) {
			where = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return where
}

func TestSecretsAreSealedOnDisk(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "encryption.yaml")
	secret := map[string]any{"kind": "Secret", "apiVersion": "v1", "metadata": map[string]any{"name": "a"}, "data": map[string]any{"k": treasure}}
	const path = "/api/v1/namespaces/default/secrets"

	s := apitest.Start(t, apitest.Options{DataDir: dir, Change: encrypting(t, file, key("aesgcm", "one", 1), "identity: {}")})
	s.Admin().Post(path, secret).Must(201)
	read := func(query string) *unstructured.Unstructured {
		return s.Admin().Get(path + "/a" + query).Must(200).Object()
	}
	first := read("").GetResourceVersion()
	if got := value(read("?resourceVersion=" + first + "&resourceVersionMatch=Exact")); got != treasure {
		t.Errorf("the past has %q", got)
	}
	backup := s.Admin().Get("/backup").Must(200).Body
	if bytes.Contains(backup, []byte(treasure)) {
		t.Error("a backup has it in the clear")
	}
	// Another key. Who writes the secret as it is, writes it with the new key.
	same := read("")
	if got := s.Admin().Put(path+"/a", same).Must(200).Object().GetResourceVersion(); got != first {
		t.Errorf("a write that changes nothing gave %s", got)
	}
	encrypting(t, file, key("secretbox", "two", 2), key("aesgcm", "one", 1))
	awaits(t, "written anew", func() string {
		if s.Admin().Put(path+"/a", same).Must(200).Object().GetResourceVersion() != first {
			return "written anew"
		}
		return "unchanged"
	})
	s.Stop()
	if where := onDisk(t, dir, treasure); where != "" {
		t.Errorf("%s has it in the clear", where)
	}

	encrypting(t, file, key("secretbox", "two", 2), "identity: {}")
	s = apitest.Start(t, apitest.Options{DataDir: dir, Change: func(o *config.Options) { o.Storage.EncryptionConfig = file }})
	if got := value(read("")); got != treasure {
		t.Errorf("after a restart with the new key alone: %q", got)
	}
	s.Stop()

	o := config.Default()
	o.Storage.DataDir, o.Serving.SecurePort, o.Serving.DashboardAddress = dir, 0, ""
	if _, err := backend.New(o); err == nil || !strings.Contains(err.Error(), "core/secrets/default/a") || !strings.Contains(err.Error(), "--encryption-provider-config") {
		t.Errorf("a start without the configuration: %v", err)
	}
}

func TestSecretsAreInTheClearOtherwise(t *testing.T) {
	dir := t.TempDir()
	s := apitest.Start(t, apitest.Options{DataDir: dir})
	s.Admin().Post("/api/v1/namespaces/default/secrets", map[string]any{"metadata": map[string]any{"name": "a"}, "data": map[string]any{"k": treasure}}).Must(201)
	s.Stop()
	if onDisk(t, dir, treasure) == "" {
		t.Error("the test does not find what is in the clear")
	}
}
