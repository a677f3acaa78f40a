package sealed

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/storage/memory"

	"google.golang.org/grpc"
	kmsapi "k8s.io/kms/apis/v2"
)

// keyService is a key service that seals by turning bits around.
type keyService struct {
	kmsapi.UnimplementedKeyManagementServiceServer

	mu     sync.Mutex
	key    string
	health string
	calls  map[string]int
}

func (k *keyService) called(what string) (key, health string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls[what]++
	return k.key, k.health
}

func (k *keyService) set(key, health string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key, k.health = key, health
}

func (k *keyService) count(what string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[what]
}

// Status tells the key.
func (k *keyService) Status(context.Context, *kmsapi.StatusRequest) (*kmsapi.StatusResponse, error) {
	key, health := k.called("status")
	return &kmsapi.StatusResponse{Version: "v2", Healthz: health, KeyId: key}, nil
}

// Encrypt seals a seed.
func (k *keyService) Encrypt(_ context.Context, r *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	key, _ := k.called("encrypt")
	return &kmsapi.EncryptResponse{Ciphertext: turned(r.Plaintext), KeyId: key, Annotations: map[string][]byte{"of.example.com": []byte(key)}}, nil
}

// Decrypt opens a seed.
func (k *keyService) Decrypt(_ context.Context, r *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	k.called("decrypt")
	if string(r.Annotations["of.example.com"]) != r.KeyId {
		return nil, errors.New("the annotations are not those of the seed")
	}
	return &kmsapi.DecryptResponse{Plaintext: turned(r.Ciphertext)}, nil
}

func turned(b []byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] ^= 0xff
	}
	return out
}

// startKeyService starts a key service and gives its configuration.
func startKeyService(t testing.TB) (*keyService, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kms.sock")
	l, err := net.Listen("unix", path)
	must(t, err)
	k := &keyService{key: "first", health: "ok", calls: map[string]int{}}
	s := grpc.NewServer()
	kmsapi.RegisterKeyManagementServiceServer(s, k)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return k, "kms: {apiVersion: v2, name: keeper, endpoint: 'unix://" + path + "', timeout: 30s}"
}

func begun(t testing.TB, c *Chains) *Chains {
	t.Helper()
	must(t, c.Begin(t.Context()))
	return c
}

func TestAKeyServiceKeepsTheKeys(t *testing.T) {
	service, provider := startKeyService(t)
	store := memory.NewStore()
	chains := begun(t, configured(t, "secrets", provider))
	s := opened(t, store, chains)
	at := s.write(treasure, 0)
	for i := range int64(20) {
		at = s.write(treasure, at)
		_ = i
	}
	if n := service.count("encrypt"); n != 1 {
		t.Errorf("%d seeds were made", n)
	}
	if got := s.stored(treasure); !strings.HasPrefix(got, "k8s:enc:kms:v2:keeper:") || strings.Contains(got, "treasure") {
		t.Errorf("%.60q", got)
	}
	// Another key: what is there stays readable, and is old.
	service.set("second", "ok")
	must(t, chains.services[0].refresh(t.Context()))
	if !s.engine.Old(treasure) {
		t.Error("what the former key sealed is not old")
	}
	s.write(treasure, at)
	s.write("core/secrets/default/b", 0)
	if s.engine.Old(treasure) || service.count("encrypt") != 2 {
		t.Errorf("old %v, %d seeds", s.engine.Old(treasure), service.count("encrypt"))
	}
	s.inner.Close()
	// After a restart the seed has to be asked for, once.
	s = opened(t, store, begun(t, configured(t, "secrets", provider)))
	if len(s.loaded) != 2 || !strings.Contains(s.loaded[treasure], "the treasure") || service.count("decrypt") != 1 {
		t.Errorf("%q, %d seeds opened", s.loaded, service.count("decrypt"))
	}
}

func TestAKeyServiceThatIsOut(t *testing.T) {
	service, provider := startKeyService(t)
	chains := begun(t, configured(t, "secrets", provider))
	now := time.Now()
	chains.services[0].now = func() time.Time { return now }
	s := opened(t, memory.NewStore(), chains)
	at := s.write(treasure, 0)
	service.set("first", "the vault is closed")
	if err := chains.services[0].refresh(t.Context()); err == nil || s.engine.Healthy() == nil || !strings.Contains(err.Error(), "the vault is closed") {
		t.Errorf("%v, %v", err, s.engine.Healthy())
	}
	at = s.write(treasure, at) // for a while the seed is good
	now = now.Add(kmsTrust + time.Second)
	if _, err := chains.of(treasure).providers[0].Seal(t.Context(), treasure, []byte("x")); err == nil || !strings.Contains(err.Error(), "keeper") {
		t.Errorf("sealed without its service: %v", err)
	}
	service.set("first", "ok")
	must(t, chains.services[0].refresh(t.Context()))
	s.write(treasure, at)
	must(t, s.engine.Healthy())

	for health, key := range map[string]string{"no": "first", "ok": ""} {
		service.set(key, health)
		if err := configured(t, "secrets", provider).Begin(t.Context()); err == nil {
			t.Errorf("%q with the key %q is fine", health, key)
		}
	}
	none := configured(t, "secrets", "kms: {apiVersion: v2, name: none, endpoint: 'unix:///nowhere/kms.sock', timeout: 50ms}")
	if err := none.Begin(t.Context()); err == nil || !strings.Contains(err.Error(), "none cannot be used") {
		t.Errorf("no service: %v", err)
	}
}
