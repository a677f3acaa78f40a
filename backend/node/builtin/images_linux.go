//go:build amd64 || arm64

package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// images are those on disk:
//
//	images/ID.json    configuration, names and layers of an image
//	layers/DIFFID/    the unpacked layer
type images struct {
	dir string

	mu   sync.Mutex
	list map[string]*image // by id
	// pulling has one pull of a reference at a time.
	pulling map[string]*sync.Mutex
}

// image is one image, as it is in its file.
type image struct {
	ID      string    `json:"id"` // sha256:...
	Tags    []string  `json:"tags"`
	Digests []string  `json:"digests"`
	Layers  []string  `json:"layers"` // folders, the lowest first
	Size    int64     `json:"size"`
	Config  v1.Config `json:"config"`
}

// ref is how statuses name the image.
func (i *image) ref() string {
	if len(i.Digests) > 0 {
		return i.Digests[0]
	}
	return i.ID
}

// lower gives the layers as an overlay wants them, the highest first. An image
// without any has an empty one.
func (i *image) lower() []string {
	out := slices.Clone(i.Layers)
	slices.Reverse(out)
	if len(out) == 0 {
		return []string{emptyLayer}
	}
	return out
}

const emptyLayer = "empty"

func openImages(dir string) (*images, error) {
	s := &images{dir: dir, list: map[string]*image{}, pulling: map[string]*sync.Mutex{}}
	if err := os.MkdirAll(filepath.Join(s.layersDir(), emptyLayer), 0o755); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "images", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		i := &image{}
		if json.Unmarshal(raw, i) != nil || i.ID == "" {
			continue // a newer version's, perhaps: it is pulled again
		}
		s.list[i.ID] = i
	}
	s.clearParts()
	return s, nil
}

// clearParts removes layers that were being unpacked when the process ended.
func (s *images) clearParts() {
	parts, err := filepath.Glob(filepath.Join(s.layersDir(), "part-*"))
	if err != nil {
		return
	}
	for _, p := range parts {
		os.RemoveAll(p)
	}
}

func (s *images) layersDir() string { return filepath.Join(s.dir, "layers") }

// canonical gives a reference with all that is left out.
func canonical(ref string) string {
	r, err := name.ParseReference(ref)
	if err != nil {
		return ref
	}
	return r.Name()
}

// find gives an image by its id or one of its names; nil if it is not there.
func (s *images) find(ref string) *image {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.list[ref]; i != nil {
		return i
	}
	full := canonical(ref)
	for _, i := range s.list {
		if slices.Contains(i.Tags, full) || slices.Contains(i.Digests, full) || slices.Contains(i.Digests, ref) {
			return i
		}
	}
	return nil
}

func (i *image) status() *cri.Image {
	out := &cri.Image{Id: i.ID, RepoTags: i.Tags, RepoDigests: i.Digests, Size: uint64(i.Size)}
	user, _, _ := strings.Cut(i.Config.User, ":")
	if uid, err := strconv.ParseInt(user, 10, 64); err == nil {
		out.Uid = &cri.Int64Value{Value: uid}
	} else if user != "" {
		out.Username = user
	} else {
		out.Uid = &cri.Int64Value{}
	}
	return out
}

// ImageStatus gives nil for an image that is not there.
func (r *Runtime) ImageStatus(_ context.Context, ref string) (*cri.Image, error) {
	if i := r.images.find(ref); i != nil {
		return i.status(), nil
	}
	return nil, nil
}

// ListImages gives all images.
func (r *Runtime) ListImages(context.Context) ([]*cri.Image, error) {
	r.images.mu.Lock()
	defer r.images.mu.Unlock()
	var out []*cri.Image
	for _, i := range r.images.list {
		out = append(out, i.status())
	}
	return out, nil
}

// PullImage brings an image here, or finds that it is here already.
func (r *Runtime) PullImage(ctx context.Context, ref string, auth *cri.AuthConfig) (string, error) {
	return r.images.pull(ctx, ref, auth)
}

func (s *images) pull(ctx context.Context, ref string, auth *cri.AuthConfig) (string, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return "", fmt.Errorf("couldn't parse image name %q: %w", ref, err)
	}
	s.mu.Lock()
	one := s.pulling[parsed.Name()]
	if one == nil {
		one = &sync.Mutex{}
		s.pulling[parsed.Name()] = one
	}
	s.mu.Unlock()
	one.Lock()
	defer one.Unlock()
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithUserAgent("pilothouse"), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}),
	}
	if auth != nil {
		options = append(options, remote.WithAuth(authn.FromConfig(authn.AuthConfig{
			Username: auth.Username, Password: auth.Password, Auth: auth.Auth, IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
		})))
	}
	described, err := remote.Get(parsed, options...)
	if err != nil {
		return "", err
	}
	img, err := described.Image()
	if err != nil {
		return "", err
	}
	return s.unpackImage(parsed, described.Digest.String(), img)
}

// unpackImage has the layers on disk and notes the image.
func (s *images) unpackImage(ref name.Reference, digest string, img v1.Image) (string, error) {
	id, err := img.ConfigName()
	if err != nil {
		return "", err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return "", err
	}
	if config.OS != "" && config.OS != "linux" {
		return "", fmt.Errorf("no match for platform in manifest: it is for %s/%s", config.OS, config.Architecture)
	}
	layers, err := img.Layers()
	if err != nil {
		return "", err
	}
	next := &image{ID: id.String(), Config: config.Config}
	for _, l := range layers {
		dir, err := s.unpackLayer(l)
		if err != nil {
			return "", err
		}
		size, err := l.Size()
		if err != nil {
			return "", err
		}
		next.Layers, next.Size = append(next.Layers, dir), next.Size+size
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.list[next.ID]; old != nil {
		next.Tags, next.Digests = slices.Clone(old.Tags), slices.Clone(old.Digests)
	}
	if _, ok := ref.(name.Tag); ok {
		if !slices.Contains(next.Tags, ref.Name()) {
			next.Tags = append(next.Tags, ref.Name())
		}
		for _, other := range s.list { // a tag is one image's
			if other.ID != next.ID && slices.Contains(other.Tags, ref.Name()) {
				changed := *other
				changed.Tags = slices.DeleteFunc(slices.Clone(other.Tags), func(t string) bool { return t == ref.Name() })
				if err := s.save(&changed); err != nil {
					return "", err
				}
			}
		}
	}
	if d := ref.Context().Name() + "@" + digest; !slices.Contains(next.Digests, d) {
		next.Digests = append(next.Digests, d)
	}
	return next.ID, s.save(next)
}

// save writes an image's file; mu is held.
func (s *images) save(i *image) error {
	raw, err := json.Marshal(i)
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "images", strings.TrimPrefix(i.ID, "sha256:")+".json")
	if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	s.list[i.ID] = i
	return nil
}

// shortID is how much of a layer's digest names its folder: overlay's options
// have room for a few thousand bytes.
const shortID = 24

// unpackLayer has a layer in its folder, whose name it gives. Its content is
// checked against its digest.
func (s *images) unpackLayer(l v1.Layer) (string, error) {
	diff, err := l.DiffID()
	if err != nil {
		return "", err
	}
	dir := diff.Hex[:shortID]
	if isDir(filepath.Join(s.layersDir(), dir)) {
		return dir, nil
	}
	content, err := l.Uncompressed()
	if err != nil {
		return "", err
	}
	defer content.Close()
	part, err := os.MkdirTemp(s.layersDir(), "part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := os.Chmod(part, 0o755); err != nil {
		return "", err
	}
	sum := newDigest(content)
	if err := unpack(sum, part); err != nil {
		return "", fmt.Errorf("unpack layer %s: %w", diff, err)
	}
	if _, err := io.Copy(io.Discard, sum); err != nil { // what pads the archive
		return "", err
	}
	if got := sum.hex(); got != diff.Hex {
		return "", fmt.Errorf("layer %s has another content: sha256:%s", diff, got)
	}
	if err := os.Rename(part, filepath.Join(s.layersDir(), dir)); err != nil && !isDir(filepath.Join(s.layersDir(), dir)) {
		return "", err
	}
	return dir, nil
}

// RemoveImage removes an image, and the layers that no other one has.
func (r *Runtime) RemoveImage(_ context.Context, id string) error {
	i := r.images.find(id)
	if i == nil {
		return nil
	}
	r.mu.Lock()
	for _, c := range r.containers {
		if c.image.ID == i.ID {
			r.mu.Unlock()
			return errors.New("the image is in use")
		}
	}
	r.mu.Unlock()
	s := r.images
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Remove(filepath.Join(s.dir, "images", strings.TrimPrefix(i.ID, "sha256:")+".json")); err != nil {
		return err
	}
	delete(s.list, i.ID)
	used := map[string]bool{}
	for _, other := range s.list {
		for _, l := range other.Layers {
			used[l] = true
		}
	}
	for _, l := range i.Layers {
		if !used[l] {
			if err := os.RemoveAll(filepath.Join(s.layersDir(), l)); err != nil {
				return err
			}
		}
	}
	return nil
}
