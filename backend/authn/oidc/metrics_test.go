package oidc

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/metrics"
)

// lines gives the metrics that have all of the words.
func lines(t *testing.T, words ...string) (found []string) {
	t.Helper()
	text, _, err := metrics.Text()
	if err != nil {
		t.Fatal(err)
	}
next:
	for line := range strings.SplitSeq(string(text), "\n") {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

func TestTokensAndKeysAreCounted(t *testing.T) {
	p := newProvider(t)
	a := p.authenticator()
	hash := `jwt_issuer_hash="` + hashOf(p.url()) + `"`
	check(t, a, "good", p.token(nil), "s-1", "")
	check(t, a, "of another audience", p.token(map[string]any{"aud": "other"}), "", "expected audience")
	check(t, a, "not a JWT", "x", "", "")
	one := func(words ...string) {
		t.Helper()
		if got := lines(t, append(words, hash)...); len(got) != 1 {
			t.Errorf("%v: %v", words, got)
		}
	}
	one("jwt_authenticator_latency_seconds_count", `result="success"`, " 1")
	one("jwt_authenticator_latency_seconds_count", `result="failure"`, " 1")
	one("jwks_fetch_last_timestamp_seconds", `result="success"`)
	one("jwks_fetch_last_key_set_info", `hash="sha256:`)
	before := lines(t, "jwks_fetch_last_key_set_info", hash)

	p.rotate("2", "RS256")
	a.client.Transport.(*transport).keys = nil // a second has passed
	check(t, a, "after a rotation", p.token(nil), "s-1", "")
	one("jwks_fetch_last_key_set_info")
	if after := lines(t, "jwks_fetch_last_key_set_info", hash); slices.Equal(after, before) {
		t.Error("the key set is the same")
	}
	fetched(p.url(), nil, errors.New("down"))
	one("jwks_fetch_last_timestamp_seconds", `result="failure"`)
	forget(p.url())
	if got := lines(t, "jwks_fetch_last", hash); len(got) != 0 {
		t.Errorf("forgotten, and there: %v", got)
	}
}
