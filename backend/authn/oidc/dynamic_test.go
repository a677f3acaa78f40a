package oidc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/metrics/metricstest"
)

func configuration(version string, providers ...*provider) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: apiserver.config.k8s.io/%s\nkind: AuthenticationConfiguration\njwt:\n", version)
	for _, p := range providers {
		fmt.Fprintf(&b, "- issuer:\n    url: %s\n    audiences: [app]\n    certificateAuthority: |\n      %s\n  claimMappings:\n    username: {claim: sub, prefix: \"%s:\"}\n",
			p.url(), strings.ReplaceAll(strings.TrimSpace(p.ca()), "\n", "\n      "), p.keys[0].KeyID)
	}
	return b.String()
}

func TestConfigurationIsFollowed(t *testing.T) {
	before := metricstest.Read(t)
	first, second := newProvider(t), newProvider(t)
	second.rotate("2", "RS256")
	path := filepath.Join(t.TempDir(), "authentication.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(configuration("v1", first))
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDynamic(DynamicOptions{Config: c, Path: path, Algorithms: Algorithms, Retry: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		d.Run(ctx, time.Hour)
		close(done)
	}()
	<-d.current.Load().list[0].Reached()
	info := lines(t, "authentication_config_controller_last_config_info{hash=")
	check(t, d, "first", first.token(nil), "1:s-1", "")
	check(t, d, "second, not yet", second.token(nil), "", "")

	write(configuration("v1beta1", first, second))
	d.Refresh()
	check(t, d, "first, of two", first.token(nil), "1:s-1", "")
	check(t, d, "second, of two", second.token(nil), "2:s-1", "")

	write(configuration("v1", second) + "  nonsense: true\n")
	d.Refresh()
	check(t, d, "first, as the file is faulty", first.token(nil), "1:s-1", "")

	write(configuration("v1alpha1", second))
	d.Refresh()
	check(t, d, "first, taken out", first.token(nil), "", "")
	check(t, d, "second, alone", second.token(nil), "2:s-1", "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	d.Refresh()
	check(t, d, "second, as the file is gone", second.token(nil), "2:s-1", "")
	const reloads = "apiserver_authentication_config_controller_automatic_reloads_total"
	before.Grown(t, reloads+`{status="success"} 2`, reloads+`{status="failure"} 2`)
	if got := lines(t, "authentication_config_controller_last_config_info{hash="); len(got) != 1 || slices.Equal(got, info) {
		t.Errorf("the configuration is %v, at the start %v", got, info)
	}
	cancel()
	<-done
}

func TestFaultsOfConfigurations(t *testing.T) {
	head := "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
	issuer := "jwt:\n- issuer: {url: 'https://x', audiences: [a]}\n"
	check := func(content, words string, own ...string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, own); (err != nil) != (words != "") || err != nil && (!strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: %v, want %s", content, err, words)
		}
	}
	good := issuer + "  claimMappings: {username: {claim: sub, prefix: ''}}\n"
	check(head, "")
	check(head+good, "")
	check(head+good+"anonymous: {enabled: true, conditions: [{path: /healthz}]}\n", "")
	check("", "an empty file")
	check("{", "c.yaml: ")
	check(head+"nonsense: 1\n", "unknown field")
	check("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n", "expected AuthenticationConfiguration")
	check("apiVersion: v1\nkind: Pod\n", "no kind")
	check(head+issuer, "claimMappings.username")
	check(head+good+good[len("jwt:\n"):], "Duplicate value")
	check(head+good, "disallowed issuers", "https://x")
	check(head+strings.Replace(good, "https", "http", 1), "URL scheme must be https")
	check(head+issuer+"  claimMappings: {username: {expression: 'claims.email'}}\n", "email_verified must be used")
	check(head+issuer+"  claimMappings: {username: {expression: 'claims.'}}\n", "compilation failed")
	check(head+"anonymous: {enabled: false, conditions: [{path: /healthz}]}\n", "enabled should be set to true")
	check(head+strings.Replace(good, "audiences: [a]", "audiences: [a], egressSelectorType: cluster", 1), "no egress selectors here")
}
