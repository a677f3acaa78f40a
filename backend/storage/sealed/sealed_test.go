package sealed

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"pilothouse/backend/storage"
	"pilothouse/backend/storage/badger"
	"pilothouse/backend/storage/etcd"
	"pilothouse/backend/storage/memory"
	"pilothouse/backend/storage/storagetest"
)

// All that the engine of a cluster can do, one over it can.
var _ interface {
	storage.Shared
	storage.Expiring
	storage.Noting
	storage.Historian
	storage.Sizer
} = (*etcd.Engine)(nil)

// secret is a key of n bytes in base64.
func secret(n int, of byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{of}, n))
}

// configured reads a configuration with one rule: providers of some resources.
func configured(t testing.TB, resources string, providers ...string) *Chains {
	t.Helper()
	c, err := Parse([]byte(configuration(resources, providers...)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.End)
	return c
}

func configuration(resources string, providers ...string) string {
	s := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [" + resources + "]\n  providers:\n"
	for _, p := range providers {
		s += "  - " + p + "\n"
	}
	return s
}

func with(kind, name string, size int, of byte) string {
	return fmt.Sprintf("%s: {keys: [{name: %s, secret: %s}]}", kind, name, secret(size, of))
}

var (
	gcm = with("aesgcm", "one", 32, 1)
	cbc = with("aescbc", "two", 32, 2)
	box = with("secretbox", "three", 32, 3)
)

func TestSuiteOverMemory(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storagetest.Open {
		store := memory.NewStore()
		return func() (storage.Engine, error) {
			e, err := store.Open()
			if err != nil {
				return nil, err
			}
			outer, _ := Wrap(e, configured(t, "'*.*'", gcm))
			return outer, nil
		}
	})
}

func TestSuiteOverAFolder(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storagetest.Open {
		dir := t.TempDir()
		return func() (storage.Engine, error) {
			e, err := badger.Open(badger.Options{Dir: dir})
			if err != nil {
				return nil, err
			}
			outer, _ := Wrap(e, configured(t, "'*.*'", box, "identity: {}"))
			return outer, nil
		}
	})
}

// stack is an engine over one in memory.
type stack struct {
	t      testing.TB
	store  *memory.Store
	inner  *memory.Engine
	outer  storage.Engine
	engine *Engine
	loaded map[string]string
	events []storage.Event
}

// open opens a store with chains, and loads it.
func open(t testing.TB, store *memory.Store, chains *Chains) (*stack, error) {
	t.Helper()
	inner, err := store.Open()
	must(t, err)
	s := &stack{t: t, store: store, inner: inner, loaded: map[string]string{}}
	s.outer, s.engine = Wrap(inner, chains)
	_, err = s.outer.Load(context.Background(), func(r storage.Record) error {
		s.loaded[r.Key] = string(r.Value)
		return nil
	})
	if err != nil {
		inner.Close()
		return nil, err
	}
	must(t, s.outer.Start(func(events []storage.Event) { s.events = append(s.events, events...) }))
	return s, nil
}

func opened(t testing.TB, store *memory.Store, chains *Chains) *stack {
	t.Helper()
	s, err := open(t, store, chains)
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const object = `{"metadata":{"name":"a","resourceVersion":"%d"},"data":"the treasure"}`

// write writes an object and gives its revision.
func (s *stack) write(key string, expected int64) int64 {
	s.t.Helper()
	value := fmt.Appendf(nil, object, 1)
	hole, _ := storage.FindHole(value)
	revision, err := s.outer.Commit(context.Background(), &storage.Write{Key: key, Value: value, Hole: hole, Expected: expected, Attachment: key})
	must(s.t, err)
	return revision
}

// stored is what the engine below has under a key.
func (s *stack) stored(key string) (value string) {
	s.t.Helper()
	must(s.t, s.inner.ListAt(context.Background(), s.inner.Position().Revision, key, key+"\x00", func(r storage.Record) bool {
		value = string(r.Value)
		return true
	}))
	return value
}

const treasure = "core/secrets/default/a"

func TestWhatIsStoredCannotBeRead(t *testing.T) {
	for kind, provider := range map[string]string{"aesgcm:v1:one": gcm, "aescbc:v1:two": cbc, "secretbox:v1:three": box} {
		s := opened(t, memory.NewStore(), configured(t, "secrets", provider))
		at := s.write(treasure, 0)
		s.write("core/configmaps/default/a", 0)
		if got := s.stored(treasure); !strings.HasPrefix(got, "k8s:enc:"+kind+":") || strings.Contains(got, "treasure") {
			t.Errorf("%s: %.40q", kind, got)
		}
		if got := s.stored("core/configmaps/default/a"); !strings.Contains(got, "treasure") {
			t.Errorf("%s: a resource that is not named: %.40q", kind, got)
		}
		want := fmt.Sprintf(object, at)
		if ev := s.events[0]; string(ev.Value) != want || ev.Attachment != treasure {
			t.Errorf("%s: the event has %s with %v", kind, ev.Value, ev.Attachment)
		}
		first := s.stored(treasure)
		again := s.write(treasure, at)
		if s.stored(treasure) == first {
			t.Errorf("%s: the same text is sealed to the same bytes", kind)
		}
		gone, err := s.outer.Commit(context.Background(), &storage.Write{Key: treasure, Value: []byte(want), Expected: again, Delete: true})
		must(t, err)
		if ev := s.events[len(s.events)-1]; !ev.Delete || ev.Revision != gone || !strings.Contains(string(ev.Value), "treasure") {
			t.Errorf("%s: the delete's event is %+v", kind, ev)
		}
		var past []string
		must(t, s.outer.History(context.Background(), storage.FirstRevision, func(ev storage.Event) error {
			if ev.Key == treasure {
				past = append(past, string(ev.Value))
			}
			return nil
		}))
		if len(past) != 3 || past[0] != want || past[2] != fmt.Sprintf(object, gone) {
			t.Errorf("%s: the past is %q", kind, past)
		}
	}
}

func TestAValueIsOnlyGoodUnderItsKey(t *testing.T) {
	for _, provider := range []string{gcm} {
		store := memory.NewStore()
		s := opened(t, store, configured(t, "secrets", provider))
		s.write(treasure, 0)
		_, err := s.inner.Commit(context.Background(), &storage.Write{Key: "core/secrets/default/b", Value: []byte(s.stored(treasure))})
		must(t, err)
		s.inner.Close()
		if _, err := open(t, store, configured(t, "secrets", provider)); err == nil || !strings.Contains(err.Error(), "core/secrets/default/b") {
			t.Errorf("a value that was moved: %v", err)
		}
	}
}

func TestKeysAreTakenInTurn(t *testing.T) {
	store := memory.NewStore()
	plain := opened(t, store, nil)
	at := plain.write(treasure, 0)
	plain.inner.Close()

	if _, err := open(t, store, configured(t, "secrets", gcm)); err == nil || !strings.Contains(err.Error(), "identity") {
		t.Errorf("what is not sealed, without identity: %v", err)
	}
	s := opened(t, store, configured(t, "secrets", gcm, "identity: {}"))
	if !s.engine.Old(treasure) || s.loaded[treasure] != fmt.Sprintf(object, at) {
		t.Errorf("old %v, loaded %s", s.engine.Old(treasure), s.loaded[treasure])
	}
	at = s.write(treasure, at)
	if s.engine.Old(treasure) {
		t.Error("what was written with the first provider is old")
	}
	// Another key: what is there opens with the second provider.
	must(t, s.engine.Use(configured(t, "secrets", box, gcm)))
	if !s.engine.Old(treasure) {
		t.Error("what the second provider sealed is not old")
	}
	if err := s.engine.Use(configured(t, "secrets", box)); err == nil || !strings.Contains(err.Error(), "k8s:enc:aesgcm:v1:one:") {
		t.Errorf("the only key of an object was taken away: %v", err)
	}
	if err := s.engine.Use(configured(t, "configmaps", box)); err == nil {
		t.Error("the resource was taken away")
	}
	s.write(treasure, at)
	must(t, s.engine.Use(configured(t, "secrets", box)))
	s.inner.Close()
	for what, chains := range map[string]*Chains{"no configuration": nil, "another key": configured(t, "secrets", with("secretbox", "three", 32, 9))} {
		if _, err := open(t, store, chains); err == nil || strings.Contains(err.Error(), "treasure") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s := opened(t, store, configured(t, "secrets", box)); !strings.Contains(s.loaded[treasure], "the treasure") {
		t.Errorf("%q", s.loaded)
	}
}

func TestTheFirstRuleThatNamesAResourceIsIts(t *testing.T) {
	c, err := Parse([]byte(configuration("events", "identity: {}") + strings.Join([]string{
		"- resources: [secrets, pandas.bears.example]", "  providers: [{" + gcm + "}]",
		"- resources: ['*.apps']", "  providers: [{" + cbc + "}]",
		"- resources: ['*.']", "  providers: [{" + box + "}]",
	}, "\n")))
	must(t, err)
	for key, want := range map[string]string{
		"core/events/default/a":      plainLabel,
		"core/secrets/default/a":     "k8s:enc:aesgcm:v1:one:",
		"bears.example/pandas/a":     "k8s:enc:aesgcm:v1:one:",
		"bears.example/cubs/a":       plainLabel,
		"apps/deployments/default/a": "k8s:enc:aescbc:v1:two:",
		"core/configmaps/default/a":  "k8s:enc:secretbox:v1:three:",
	} {
		if got := c.of(key).label(); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	for content, want := range map[string]string{
		"":                            "an empty file",
		"a: b":                        "Kind",
		"\x00":                        "",
		"kind: Pod\napiVersion: v1\n": "no kind",
		configuration("secrets"):      "at least one",
		configuration("secrets", with("aesgcm", "one", 31, 1)):                                     "not of the expected length",
		configuration("secrets", "aescbc: {keys: [{name: a, secret: '###'}]}"):                     "base64",
		configuration("secrets", gcm+"\n    more: {}"):                                             "unknown field",
		configuration("secrets", "kms: {apiVersion: v1, name: a, endpoint: 'unix:///a'}"):          "version v1",
		configuration("secrets", "kms: {apiVersion: v2, name: a, endpoint: 'http://example.com'}"): "unix",
	} {
		_, err := Parse([]byte(content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "###") {
			t.Errorf("the error has the key in it: %v", err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, err := newKMS("kms", "unix:///nowhere", 1)
	if err != nil {
		f.Fatal(err)
	}
	c := configured(f, "'*.*'", gcm, cbc, box)
	all := c.of("a/b/c")
	all.providers = append(all.providers, k)
	for _, p := range all.providers[:3] {
		body, err := p.Seal(context.Background(), "a/b/c", []byte("text"))
		must(f, err)
		f.Add(append([]byte(p.Prefix()), body...))
	}
	f.Add([]byte("k8s:enc:kms:v2:kms:\x01a\x01b\x02{}"))
	f.Fuzz(func(t *testing.T, value []byte) {
		plain, _, err := all.open(context.Background(), "a/b/c", value)
		if err == nil && len(plain) > len(value) {
			t.Errorf("%d bytes were opened to %d", len(value), len(plain))
		}
	})
}
