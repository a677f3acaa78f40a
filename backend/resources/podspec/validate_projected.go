package podspec

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	minTokenSeconds = 10 * 60
	maxTokenSeconds = 1 << 32
)

// projection collects the faults of a projected volume; no two files of its
// sources may lie at one path.
type projection struct {
	Options
	path  *field.Path
	files sets.Set[string]
	errs  field.ErrorList
}

func (v *specValidator) validateProjected(s *v1.ProjectedVolumeSource, path *field.Path) field.ErrorList {
	p := projection{Options: v.Options, path: path, files: sets.Set[string]{}}
	p.errs = fileMode(s.DefaultMode, path.Child("defaultMode"))
	for i := range s.Sources {
		p.validate(&s.Sources[i], path.Child("sources").Index(i))
	}
	return p.errs
}

func (p *projection) add(errs ...*field.Error) { p.errs = append(p.errs, errs...) }

// claim takes a path for a file; blame is the value in the error when it is
// taken.
func (p *projection) claim(file, blame string) {
	if p.files.Has(file) {
		p.add(field.Invalid(p.path, blame, "conflicting duplicate paths"))
	}
	p.files.Insert(file)
}

func (p *projection) validate(s *v1.VolumeProjection, path *field.Path) {
	n := 0
	if s.Secret != nil {
		n++
		p.keys(s.Secret.Name, s.Secret.Items, path.Child("secret"))
	}
	if s.ConfigMap != nil {
		n++
		p.keys(s.ConfigMap.Name, s.ConfigMap.Items, path.Child("configMap"))
	}
	if s.DownwardAPI != nil {
		n++
		for i := range s.DownwardAPI.Items {
			f := &s.DownwardAPI.Items[i]
			p.add(validateDownwardFile(f, path.Child("downwardAPI"))...)
			if f.Path != "" {
				p.claim(f.Path, f.Path)
			}
		}
	}
	if s.ServiceAccountToken != nil {
		n++
		p.token(s.ServiceAccountToken, path.Child("serviceAccountToken"))
	}
	if n > 1 {
		p.add(field.Forbidden(path, "may not specify more than 1 volume type per source"))
	}
}

func (p *projection) keys(name string, items []v1.KeyToPath, path *field.Path) {
	p.add(required(name, path.Child("name"))...)
	for i := range items {
		p.add(keyToPath(&items[i], path.Child("items").Index(i))...)
		if items[i].Path != "" {
			p.claim(items[i].Path, name)
		}
	}
}

func (p *projection) token(t *v1.ServiceAccountTokenProjection, path *field.Path) {
	seconds := int64(0)
	if t.ExpirationSeconds != nil {
		seconds = *t.ExpirationSeconds
	}
	if seconds < minTokenSeconds {
		p.add(field.Invalid(path.Child("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes"))
	}
	if seconds > maxTokenSeconds {
		p.add(field.Invalid(path.Child("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds"))
	}
	// Kubernetes names the volume's path here and not the source's.
	if t.Path == "" {
		p.add(field.Required(p.path.Child("path"), ""))
	} else if !p.AllowNonLocalTokenPath {
		p.add(localPath(t.Path, p.path.Child("path"))...)
	}
}
