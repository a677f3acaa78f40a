package sealed

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/klog/v2"
	kmsapi "k8s.io/kms/apis/v2"
)

const (
	// kmsEvery is how often a key service is asked how it is, and for the key
	// that it seals with now.
	kmsEvery = time.Minute
	// kmsTrust is how long a seed is used after the service was last found well.
	kmsTrust = 3 * time.Minute
	// maxSeeds bounds the seeds that are kept opened.
	maxSeeds = 1000
	// seedSize is in bytes; so is the size of what tells one value's key from
	// another's.
	seedSize = 32
)

// kms seals with keys that are made from seeds which a key service outside seals
// (KMS v2, KEP-3299). The service is asked for one seed at the start and one when
// its key changes: never for a write. Every value has an AES-GCM key of its own,
// derived with HKDF (RFC 5869).
//
// A value is, after its prefix: the service's key id, the sealed seed and the
// service's annotations as JSON, each after its length as an unsigned varint;
// then 32 random bytes from which the value's key is derived, then nonce and text.
type kms struct {
	name    string
	client  kmsapi.KeyManagementServiceClient
	conn    *grpc.ClientConn
	timeout time.Duration
	now     func() time.Time

	mu      sync.Mutex // guards the rest
	current *seed
	well    time.Time // the service was last found well
	fault   error     // why it is not
	opened  map[string][]byte
}

// seed is what the keys of values are derived from.
type seed struct {
	plain []byte
	keyID string
	head  []byte // what values begin with that are sealed by it
}

// newKMS gives the provider of a key service, which need not be there yet.
// endpoint is a URL of a socket: unix:///run/kms.sock.
func newKMS(name, endpoint string, timeout time.Duration) (*kms, error) {
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return nil, err
	}
	return &kms{name: name, conn: conn, client: kmsapi.NewKeyManagementServiceClient(conn), timeout: timeout,
		now: time.Now, opened: map[string][]byte{}, fault: errors.New("it has not been asked yet")}, nil
}

func (k *kms) Prefix() string { return sealedPrefix + "kms:v2:" + k.name + ":" }

// Label has the key of the service in it: values of its former keys are old.
func (k *kms) Label() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == nil {
		return k.Prefix()
	}
	return k.Prefix() + k.current.keyID
}

// refresh asks the service how it is, and for a new seed when its key is another.
func (k *kms) refresh(ctx context.Context) error {
	err := k.ask(ctx)
	if err != nil {
		err = fmt.Errorf("the key service %s cannot be used: %w", k.name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fault = err; err == nil {
		k.well = k.now()
	}
	return err
}

func (k *kms) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	status, err := k.client.Status(ctx, &kmsapi.StatusRequest{})
	switch {
	case err != nil:
		return err
	case status.Version != "v2" && status.Version != "v2beta1":
		return fmt.Errorf("it speaks version %q, not v2", status.Version)
	case status.Healthz != "ok":
		return fmt.Errorf("it says %q", status.Healthz)
	case status.KeyId == "" || len(status.KeyId) > 1<<10:
		return errors.New("the id of its key is empty or has more than 1 kB")
	}
	k.mu.Lock()
	same := k.current != nil && k.current.keyID == status.KeyId
	k.mu.Unlock()
	if same {
		return nil
	}
	return k.renew(ctx)
}

// renew makes a seed and has it sealed.
func (k *kms) renew(ctx context.Context) error {
	plain := make([]byte, seedSize)
	rand.Read(plain)
	r, err := k.client.Encrypt(ctx, &kmsapi.EncryptRequest{Plaintext: plain, Uid: uuid.NewString()})
	if err != nil {
		return err
	}
	if len(r.Ciphertext) == 0 || len(r.Ciphertext) > 1<<10 || r.KeyId == "" || len(r.KeyId) > 1<<10 {
		return errors.New("what it sealed, or the id of its key, is empty or has more than 1 kB")
	}
	annotations, err := json.Marshal(r.Annotations)
	if err != nil {
		return err
	}
	if len(annotations) > 32<<10 {
		return errors.New("its annotations have more than 32 kB")
	}
	s := &seed{plain: plain, keyID: r.KeyId}
	for _, part := range [][]byte{[]byte(r.KeyId), r.Ciphertext, annotations} {
		s.head = append(binary.AppendUvarint(s.head, uint64(len(part))), part...)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = s
	k.keep(string(r.Ciphertext), plain)
	klog.V(2).InfoS("Values are sealed by another key of the key service", "kms", k.name, "key", r.KeyId)
	return nil
}

// keep is called with mu held.
func (k *kms) keep(sealed string, plain []byte) {
	if len(k.opened) >= maxSeeds {
		clear(k.opened)
	}
	k.opened[sealed] = plain
}

// healthy tells what is wrong with the service.
func (k *kms) healthy() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault
}

// Seal seals a value with a key of its own.
func (k *kms) Seal(_ context.Context, key string, plain []byte) ([]byte, error) {
	k.mu.Lock()
	s, well, fault := k.current, k.well, k.fault
	k.mu.Unlock()
	if s == nil || k.now().Sub(well) > kmsTrust {
		return nil, fault
	}
	info := make([]byte, seedSize)
	rand.Read(info)
	a, err := derive(s.plain, info)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(s.head)+len(info)+a.NonceSize()+len(plain)+a.Overhead())
	out = append(append(out, s.head...), info...)
	nonce := make([]byte, a.NonceSize())
	rand.Read(nonce)
	return a.Seal(append(out, nonce...), nonce, plain, []byte(key)), nil
}

// Open opens a value, with the service's help if its seed is not known.
func (k *kms) Open(ctx context.Context, key string, sealed []byte) (plain []byte, label string, err error) {
	keyID, rest, ok1 := part(sealed)
	ciphertext, rest, ok2 := part(rest)
	annotations, rest, ok3 := part(rest)
	if !ok1 || !ok2 || !ok3 || len(rest) < seedSize {
		return nil, "", errDamaged
	}
	seed, err := k.seedOf(ctx, string(keyID), ciphertext, annotations)
	if err != nil {
		return nil, "", err
	}
	a, err := derive(seed, rest[:seedSize])
	if err != nil {
		return nil, "", err
	}
	plain, err = openAEAD(a, rest[seedSize:], []byte(key))
	return plain, k.Prefix() + string(keyID), err
}

// part takes a length and as many bytes.
func part(b []byte) (p, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}

func (k *kms) seedOf(ctx context.Context, keyID string, ciphertext, annotations []byte) ([]byte, error) {
	k.mu.Lock()
	plain, ok := k.opened[string(ciphertext)]
	k.mu.Unlock()
	if ok {
		return plain, nil
	}
	var with map[string][]byte
	if err := json.Unmarshal(annotations, &with); err != nil {
		return nil, errDamaged
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	r, err := k.client.Decrypt(ctx, &kmsapi.DecryptRequest{Ciphertext: ciphertext, Uid: uuid.NewString(), KeyId: keyID, Annotations: with})
	if err != nil {
		return nil, fmt.Errorf("the key service %s does not open the seed: %w", k.name, err)
	}
	if len(r.Plaintext) != seedSize {
		return nil, errDamaged
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keep(string(ciphertext), r.Plaintext)
	return r.Plaintext, nil
}

// derive gives the cipher of one value.
func derive(seed, info []byte) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, seed, string(info), 32)
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

// run keeps asking the service until ctx ends.
func (k *kms) run(ctx context.Context) {
	ticker := time.NewTicker(kmsEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := k.refresh(ctx); err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "Values are sealed and opened without their key service")
			}
		}
	}
}
