package podspec

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// volumeFile is a file that a volume is to have, and what it comes from where a
// volume has several sources.
type volumeFile struct{ path, source string }

func (f volumeFile) String() string {
	if f.source == "" {
		return fmt.Sprintf("%q", f.path)
	}
	return fmt.Sprintf("%q (%s)", f.path, f.source)
}

// overlaps warns of files of one volume that are in each other's way.
func (w *warner) overlaps() {
	for i := range w.spec.Volumes {
		v := &w.spec.Volumes[i]
		switch {
		case v.ConfigMap != nil:
			w.overlapping(v.Name, fmt.Sprintf("ConfigMap %q", v.ConfigMap.Name), filesOfKeys(v.ConfigMap.Items, ""))
		case v.Secret != nil:
			w.overlapping(v.Name, fmt.Sprintf("Secret %q", v.Secret.SecretName), filesOfKeys(v.Secret.Items, ""))
		case v.DownwardAPI != nil:
			w.overlapping(v.Name, "DownwardAPI", filesOfFields(v.DownwardAPI.Items, ""))
		case v.Projected != nil:
			var files []volumeFile
			for j := range v.Projected.Sources {
				s := &v.Projected.Sources[j]
				if *s == (v1.VolumeProjection{}) {
					w.warnings = append(w.warnings, fmt.Sprintf("volume %q (Projected) has no sources provided", v.Name))
				}
				files = append(files, projectedFiles(s)...)
			}
			w.overlapping(v.Name, "Projected", files)
		}
	}
}

// maxOverlaps is how many warnings are made of a volume's files: far more than an
// answer has room for, and few beside what a pod of 3 MB could ask for.
const maxOverlaps = 256

// maxPath is PATH_MAX of Linux: a longer one is no file's.
const maxPath = 4096

// overlapping warns of files at the place of an earlier one, above it or below it.
func (w *warner) overlapping(volume, kind string, files []volumeFile) {
	at, below := map[string][]int{}, map[string][]int{}
	made := 0
	for i, f := range files {
		f.path = strings.TrimRight(f.path, "/")
		if files[i] = f; f.path == "" || len(f.path) > maxPath {
			continue
		}
		meets := slices.Concat(at[f.path], below[f.path])
		for end := range f.path {
			if f.path[end] == '/' {
				dir := f.path[:end]
				meets = append(meets, at[dir]...)
				below[dir] = append(below[dir], i)
			}
		}
		at[f.path] = append(at[f.path], i)
		slices.Sort(meets)
		for _, earlier := range meets {
			if made++; made > maxOverlaps {
				return
			}
			w.warnings = append(w.warnings, fmt.Sprintf("volume %q (%s): overlapping paths: %s with %s", volume, kind, f, files[earlier]))
		}
	}
}

func projectedFiles(s *v1.VolumeProjection) []volumeFile {
	switch {
	case s.ConfigMap != nil && s.ConfigMap.Items != nil:
		return filesOfKeys(s.ConfigMap.Items, fmt.Sprintf("ConfigMap %q", s.ConfigMap.Name))
	case s.Secret != nil && s.Secret.Items != nil:
		return filesOfKeys(s.Secret.Items, fmt.Sprintf("Secret %q", s.Secret.Name))
	case s.DownwardAPI != nil && s.DownwardAPI.Items != nil:
		return filesOfFields(s.DownwardAPI.Items, "DownwardAPI")
	case s.ServiceAccountToken != nil:
		return []volumeFile{{s.ServiceAccountToken.Path, "ServiceAccountToken"}}
	case s.ClusterTrustBundle != nil:
		name := s.ClusterTrustBundle.Name
		if name == nil {
			name = s.ClusterTrustBundle.SignerName
		}
		if name == nil { // refused elsewhere
			return nil
		}
		return []volumeFile{{s.ClusterTrustBundle.Path, fmt.Sprintf("ClusterTrustBundle %q", *name)}}
	case s.PodCertificate != nil:
		return []volumeFile{
			{s.PodCertificate.CertificateChainPath, "PodCertificate chain"},
			{s.PodCertificate.KeyPath, "PodCertificate key"},
			{s.PodCertificate.CredentialBundlePath, "PodCertificate credential bundle"},
		}
	}
	return nil
}

func filesOfKeys(items []v1.KeyToPath, source string) []volumeFile {
	var out []volumeFile
	for _, i := range items {
		out = append(out, volumeFile{i.Path, source})
	}
	return out
}

func filesOfFields(items []v1.DownwardAPIVolumeFile, source string) []volumeFile {
	var out []volumeFile
	for _, i := range items {
		out = append(out, volumeFile{i.Path, source})
	}
	return out
}
