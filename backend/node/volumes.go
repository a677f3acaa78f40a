package node

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

const (
	// refreshVolumes is how often the files of configMaps, secrets and the like
	// are brought up to date.
	refreshEvery = time.Minute
	// defaultFileMode is that of files in such volumes.
	defaultFileMode = 0o644
)

// file is one file of a volume that is made of API objects.
type file struct {
	content []byte
	mode    fs.FileMode
}

// volumeDir is where a volume of a pod is, by the names that kubelets use.
func (a *Agent) volumeDir(pod *corev1.Pod, v *corev1.Volume) string {
	kind := "empty-dir"
	switch {
	case v.ConfigMap != nil:
		kind = "configmap"
	case v.Secret != nil:
		kind = "secret"
	case v.DownwardAPI != nil:
		kind = "downward-api"
	case v.Projected != nil:
		kind = "projected"
	}
	return a.podDir(pod, "volumes", "kubernetes.io~"+kind, v.Name)
}

// fillVolumes makes the pod's volumes.
func (w *worker) fillVolumes(ctx context.Context, pod *corev1.Pod) error {
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if err := w.fillVolume(ctx, pod, v); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		}
	}
	w.mounted = w.agent.Clock()
	return nil
}

// refreshVolumes brings files up to date that come from API objects.
func (w *worker) refreshVolumes(ctx context.Context, pod *corev1.Pod) error {
	if w.agent.pretends != nil || w.agent.Clock().Sub(w.mounted) < refreshEvery {
		return nil
	}
	return w.fillVolumes(ctx, pod)
}

func (w *worker) fillVolume(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) error {
	dir := w.agent.volumeDir(pod, v)
	var files map[string]file
	var err error
	switch {
	case v.EmptyDir != nil:
		return w.fillEmptyDir(pod, v, dir)
	case v.HostPath != nil:
		return w.checkHostPath(v.HostPath)
	case v.PersistentVolumeClaim != nil:
		source, err := w.claimed(ctx, pod, v)
		if err == nil {
			err = w.checkHostPath(source)
		}
		return err
	case v.ConfigMap != nil:
		files, err = w.configMapFiles(ctx, pod, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, isSet(v.ConfigMap.Optional))
	case v.Secret != nil:
		files, err = w.secretFiles(ctx, pod, v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, isSet(v.Secret.Optional))
	case v.DownwardAPI != nil:
		files, err = w.downwardFiles(pod, v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		files, err = w.projectedFiles(ctx, pod, v.Projected)
	default:
		return errors.New("the node does not know volumes of this kind")
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return writeFiles(dir, files, pod)
}

// fillEmptyDir makes the folder of an emptyDir, and mounts it when it is one in
// memory: again after the machine was started anew.
func (w *worker) fillEmptyDir(pod *corev1.Pod, v *corev1.Volume, dir string) error {
	memory := v.EmptyDir.Medium == corev1.StorageMediumMemory
	_, err := os.Stat(dir)
	there := err == nil
	if there && (!memory || isMounted(dir)) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if memory {
		limit := int64(0)
		if v.EmptyDir.SizeLimit != nil {
			limit = v.EmptyDir.SizeLimit.Value()
		}
		switch err := mountMemory(dir, limit); {
		case err != nil && there:
			return nil // that was told when the folder was made
		case err != nil:
			w.agent.recorder.Event(pod, corev1.EventTypeWarning, "NotEnforced", "Volume %q is on disk and not in memory: %s", v.Name, err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return err
	}
	return own(dir, pod, true)
}

func modeOf(own, volume *int32) fs.FileMode {
	switch {
	case own != nil:
		return fs.FileMode(*own) & 0o777
	case volume != nil:
		return fs.FileMode(*volume) & 0o777
	}
	return defaultFileMode
}

// keyed picks the keys of an object that become files.
func keyed(values map[string]string, items []corev1.KeyToPath, mode *int32, optional bool, what string) (map[string]file, error) {
	files := map[string]file{}
	if len(items) == 0 {
		for k, v := range values {
			files[k] = file{[]byte(v), modeOf(nil, mode)}
		}
		return files, nil
	}
	for _, item := range items {
		v, ok := values[item.Key]
		switch {
		case !within(item.Path):
			return nil, fmt.Errorf("path %q leads out of the volume", item.Path)
		case !ok && optional:
		case !ok:
			return nil, fmt.Errorf("%s references non-existent config key: %s", what, item.Key)
		default:
			files[item.Path] = file{[]byte(v), modeOf(item.Mode, mode)}
		}
	}
	return files, nil
}

func (w *worker) configMapFiles(ctx context.Context, pod *corev1.Pod, name string, items []corev1.KeyToPath, mode *int32, optional bool) (map[string]file, error) {
	values, err := w.configMap(ctx, pod, name, optional)
	if err != nil {
		return nil, err
	}
	return keyed(values, items, mode, optional || values == nil, "configmap")
}

func (w *worker) secretFiles(ctx context.Context, pod *corev1.Pod, name string, items []corev1.KeyToPath, mode *int32, optional bool) (map[string]file, error) {
	values, err := w.secret(ctx, pod, name, optional)
	if err != nil {
		return nil, err
	}
	return keyed(values, items, mode, optional || values == nil, "secret")
}

func (w *worker) downwardFiles(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, mode *int32) (map[string]file, error) {
	files := map[string]file{}
	for _, item := range items {
		var value string
		var err error
		switch {
		case !within(item.Path):
			err = fmt.Errorf("path %q leads out of the volume", item.Path)
		case item.FieldRef != nil:
			var ips []string
			for _, ip := range pod.Status.PodIPs {
				ips = append(ips, ip.IP)
			}
			value, err = w.fieldValue(pod, item.FieldRef.FieldPath, ips)
		case item.ResourceFieldRef != nil:
			value, err = w.resourceValue(pod, &corev1.Container{}, item.ResourceFieldRef)
		}
		if err != nil {
			return nil, err
		}
		files[item.Path] = file{[]byte(value), modeOf(item.Mode, mode)}
	}
	return files, nil
}

func (w *worker) projectedFiles(ctx context.Context, pod *corev1.Pod, p *corev1.ProjectedVolumeSource) (map[string]file, error) {
	all := map[string]file{}
	for _, s := range p.Sources {
		var files map[string]file
		var err error
		switch {
		case s.ConfigMap != nil:
			files, err = w.configMapFiles(ctx, pod, s.ConfigMap.Name, s.ConfigMap.Items, p.DefaultMode, isSet(s.ConfigMap.Optional))
		case s.Secret != nil:
			files, err = w.secretFiles(ctx, pod, s.Secret.Name, s.Secret.Items, p.DefaultMode, isSet(s.Secret.Optional))
		case s.DownwardAPI != nil:
			files, err = w.downwardFiles(pod, s.DownwardAPI.Items, p.DefaultMode)
		case s.ServiceAccountToken != nil:
			files, err = w.tokenFile(ctx, pod, s.ServiceAccountToken, p.DefaultMode)
		default:
			err = errors.New("the node does not know one of its sources")
		}
		if err != nil {
			return nil, err
		}
		for name, f := range files {
			all[name] = f
		}
	}
	return all, nil
}

// tokenFile asks for a token of the pod's service account, bound to the pod. It
// is asked for anew when most of its life is over.
func (w *worker) tokenFile(ctx context.Context, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection, mode *int32) (map[string]file, error) {
	if !within(p.Path) {
		return nil, fmt.Errorf("path %q leads out of the volume", p.Path)
	}
	key := strings.Join([]string{string(pod.UID), pod.Spec.ServiceAccountName, p.Audience, strconv.FormatInt(derefOr(p.ExpirationSeconds, 3600), 10)}, "/")
	token, err := w.agent.tokens.get(key, w.agent.Clock(), func() (string, time.Time, error) { return w.requestToken(ctx, pod, p) })
	if err != nil {
		return nil, err
	}
	m := modeOf(nil, mode)
	return map[string]file{p.Path: {[]byte(token), m}}, nil
}

func derefOr(p *int64, or int64) int64 {
	if p == nil {
		return or
	}
	return *p
}

func (w *worker) requestToken(ctx context.Context, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection) (string, time.Time, error) {
	r := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	r.Kind, r.APIVersion = "TokenRequest", "authentication.k8s.io/v1"
	if p.Audience != "" {
		r.Spec.Audiences = []string{p.Audience}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return "", time.Time{}, err
	}
	answer, err := w.agent.Client.Bytes(ctx, client.Call{Method: "POST", Path: client.Path(accountsResource, pod.Namespace, pod.Spec.ServiceAccountName, "token"), Body: raw})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("failed to fetch token: %w", err)
	}
	if err := json.Unmarshal(answer, r); err != nil {
		return "", time.Time{}, err
	}
	return r.Status.Token, r.Status.ExpirationTimestamp.Time, nil
}

// checkHostPath makes or checks a path of the node.
func (w *worker) checkHostPath(h *corev1.HostPathVolumeSource) error {
	kind := corev1.HostPathUnset
	if h.Type != nil {
		kind = *h.Type
	}
	info, err := os.Stat(h.Path)
	switch kind {
	case corev1.HostPathDirectoryOrCreate:
		return os.MkdirAll(h.Path, 0o755)
	case corev1.HostPathFileOrCreate:
		f, err := os.OpenFile(h.Path, os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	case corev1.HostPathDirectory:
		if err != nil || !info.IsDir() {
			return errors.New("hostPath type check failed: " + h.Path + " is not a directory")
		}
	case corev1.HostPathFile:
		if err != nil || !info.Mode().IsRegular() {
			return errors.New("hostPath type check failed: " + h.Path + " is not a file")
		}
	}
	return nil
}

// claimed gives the path of a claim's volume, if it is one of the node's.
func (w *worker) claimed(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (*corev1.HostPathVolumeSource, error) {
	var claim corev1.PersistentVolumeClaim
	if err := w.agent.Client.Get(ctx, claimsResource, pod.Namespace, v.PersistentVolumeClaim.ClaimName, &claim); err != nil {
		return nil, err
	}
	if claim.Spec.VolumeName == "" || claim.Status.Phase != corev1.ClaimBound {
		return nil, fmt.Errorf("PVC %s/%s is not bound", pod.Namespace, claim.Name)
	}
	var volume corev1.PersistentVolume
	if err := w.agent.Client.Get(ctx, volumesResource, "", claim.Spec.VolumeName, &volume); err != nil {
		return nil, err
	}
	switch {
	case volume.Spec.HostPath != nil:
		return volume.Spec.HostPath, nil
	case volume.Spec.Local != nil:
		return &corev1.HostPathVolumeSource{Path: volume.Spec.Local.Path}, nil
	}
	return nil, errors.New("the node does not know volumes of this kind")
}

// mounts gives the container's mounts, those included that every one gets.
func (w *worker) mounts(ctx context.Context, pod *corev1.Pod, c *corev1.Container, attempt int, env []variable) ([]*cri.Mount, error) {
	var out []*cri.Mount
	for _, m := range c.VolumeMounts {
		i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			return nil, fmt.Errorf("volume %q is not one of the pod's", m.Name)
		}
		v := &pod.Spec.Volumes[i]
		from := w.agent.volumeDir(pod, v)
		switch {
		case v.HostPath != nil:
			from = v.HostPath.Path
		case v.PersistentVolumeClaim != nil:
			source, err := w.claimed(ctx, pod, v)
			if err != nil {
				return nil, err
			}
			from = source.Path
		}
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expand(m.SubPathExpr, env)
		}
		if sub != "" {
			var err error
			if from, err = subPath(from, sub); err != nil {
				return nil, fmt.Errorf("failed to create subPath directory for volumeMount %q of container %q: %w", m.Name, c.Name, err)
			}
		}
		propagation := cri.MountPropagation_PROPAGATION_PRIVATE
		if m.MountPropagation != nil {
			switch *m.MountPropagation {
			case corev1.MountPropagationHostToContainer:
				propagation = cri.MountPropagation_PROPAGATION_HOST_TO_CONTAINER
			case corev1.MountPropagationBidirectional:
				propagation = cri.MountPropagation_PROPAGATION_BIDIRECTIONAL
			}
		}
		readonly := m.ReadOnly || v.ConfigMap != nil || v.Secret != nil || v.DownwardAPI != nil || v.Projected != nil
		target := m.MountPath
		if !path.IsAbs(target) {
			target = path.Join("/", target)
		}
		out = append(out, &cri.Mount{ContainerPath: target, HostPath: from, Readonly: readonly, Propagation: propagation})
	}
	taken := func(p string) bool {
		return slices.ContainsFunc(out, func(m *cri.Mount) bool { return path.Clean(m.ContainerPath) == p })
	}
	if hosts := w.agent.podDir(pod, "etc-hosts"); !taken("/etc/hosts") {
		if _, err := os.Stat(hosts); err == nil {
			out = append(out, &cri.Mount{ContainerPath: "/etc/hosts", HostPath: hosts})
		}
	}
	if c.TerminationMessagePath != "" && !taken(path.Clean(c.TerminationMessagePath)) {
		words := w.messageFile(pod, c, attempt)
		if err := os.MkdirAll(filepath.Dir(words), 0o750); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(words, os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(f.Chmod(0o666), f.Close()); err != nil {
			return nil, err
		}
		out = append(out, &cri.Mount{ContainerPath: c.TerminationMessagePath, HostPath: words})
	}
	return out, nil
}

// subPath gives a path below a volume, a new folder if there is nothing. It is
// resolved within the volume: a symbolic link in it leads nowhere else.
func subPath(dir, sub string) (string, error) {
	if !filepath.IsLocal(sub) {
		return "", fmt.Errorf("%q leads out of the volume", sub)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Stat(sub); errors.Is(err, fs.ErrNotExist) {
		if err := root.MkdirAll(sub, 0o750); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(filepath.Join(dir, sub))
}

// writeFiles makes the files of a volume appear all at once: they are in a folder
// of their own, and a symbolic link to it is replaced.
//
//	..2026_11_25_12_00_00.123/key   the content
//	..data -> ..2026_11_25_12_00_00.123
//	key -> ..data/key
func writeFiles(dir string, files map[string]file, pod *corev1.Pod) error {
	if same(dir, files) {
		return nil
	}
	next, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	if err := os.Chmod(next, 0o755); err != nil {
		return err
	}
	tops := map[string]bool{}
	for name, f := range files {
		target := filepath.Join(next, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, f.content, f.mode); err != nil {
			return err
		}
		if err := os.Chmod(target, f.mode); err != nil {
			return err
		}
		top, _, _ := strings.Cut(name, "/")
		tops[top] = true
	}
	if err := own(next, pod, false); err != nil {
		return err
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	temporary := filepath.Join(dir, "..data_tmp")
	os.Remove(temporary) //nolint:errcheck // most often there is none
	if err := os.Symlink(filepath.Base(next), temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(dir, "..data")); err != nil {
		return err
	}
	for top := range tops {
		link := filepath.Join(dir, top)
		if _, err := os.Lstat(link); errors.Is(err, fs.ErrNotExist) {
			if err := os.Symlink(filepath.Join("..data", top), link); err != nil {
				return err
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "..") && !tops[e.Name()] {
			os.Remove(filepath.Join(dir, e.Name())) //nolint:errcheck // a key that is gone
		}
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(dir, old))
	}
	return nil
}

// same tells that the folder has these files already.
func same(dir string, files map[string]file) bool {
	data := filepath.Join(dir, "..data")
	if _, err := os.Stat(data); err != nil {
		return false
	}
	n := 0
	err := filepath.WalkDir(data+string(filepath.Separator), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(data, p)
		if err != nil {
			return err
		}
		f, ok := files[filepath.ToSlash(name)]
		if !ok {
			return fs.ErrInvalid
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || string(content) != string(f.content) || info.Mode().Perm()&^0o040 != f.mode&^0o040 {
			return fs.ErrInvalid
		}
		n++
		return nil
	})
	return err == nil && n == len(files)
}

// own gives a volume to the pod's fsGroup.
func own(dir string, pod *corev1.Pod, setgid bool) error {
	s := pod.Spec.SecurityContext
	if s == nil || s.FSGroup == nil || os.Geteuid() != 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := os.Lchown(p, -1, int(*s.FSGroup)); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		mode := info.Mode().Perm() | 0o040
		switch {
		case d.IsDir() && setgid:
			mode |= 0o070 | fs.ModeSetgid
		case d.IsDir():
			mode |= 0o050
		}
		return os.Chmod(p, mode)
	})
}

// removePodDir removes all that is on disk of a pod but its logs.
func (a *Agent) removePodDir(uid types.UID) {
	dir := filepath.Join(a.Dir, "pods", string(uid))
	if uid == "" || strings.ContainsRune(string(uid), filepath.Separator) {
		return
	}
	unmountBelow(dir)
	if err := os.RemoveAll(dir); err != nil {
		klog.ErrorS(err, "The folder of a pod stays", "dir", dir)
	}
}

// pullSecrets gives the credentials of the pod's image pull secrets.
func (w *worker) pullSecrets(ctx context.Context, pod *corev1.Pod) []*credentials {
	var out []*credentials
	for _, ref := range pod.Spec.ImagePullSecrets {
		values, err := w.secret(ctx, pod, ref.Name, false)
		if err != nil {
			w.agent.recorder.Event(pod, corev1.EventTypeWarning, "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.", ref.Name)
			continue
		}
		out = append(out, parseCredentials(values)...)
	}
	return out
}

// credentials are those for one registry.
type credentials struct {
	registry string
	auth     *cri.AuthConfig
}

// parseCredentials reads .dockerconfigjson and .dockercfg.
func parseCredentials(values map[string]string) []*credentials {
	type entry struct {
		Username, Password, Auth, IdentityToken, RegistryToken string
	}
	var config struct{ Auths map[string]entry }
	if raw, ok := values[corev1.DockerConfigJsonKey]; ok {
		if json.Unmarshal([]byte(raw), &config) != nil {
			return nil
		}
	} else if raw, ok := values[corev1.DockerConfigKey]; !ok || json.Unmarshal([]byte(raw), &config.Auths) != nil {
		return nil
	}
	var out []*credentials
	for registry, e := range config.Auths {
		if both, err := base64.StdEncoding.DecodeString(e.Auth); err == nil && e.Username == "" {
			e.Username, e.Password, _ = strings.Cut(string(both), ":")
		}
		registry = strings.TrimPrefix(strings.TrimPrefix(registry, "https://"), "http://")
		registry, _, _ = strings.Cut(registry, "/")
		out = append(out, &credentials{registry, &cri.AuthConfig{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken}})
	}
	return out
}
