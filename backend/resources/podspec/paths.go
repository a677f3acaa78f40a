package podspec

import (
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// noBacksteps refuses paths with an element "..".
func noBacksteps(target string, at *field.Path) field.ErrorList {
	for part := range strings.SplitSeq(target, "/") {
		if part == ".." {
			return field.ErrorList{field.Invalid(at, target, "must not contain '..'")}
		}
	}
	return nil
}

// descendingPath wants a relative path that does not step back.
func descendingPath(target string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if path.IsAbs(target) {
		errs = append(errs, field.Invalid(at, target, "must be a relative path"))
	}
	return append(errs, noBacksteps(target, at)...)
}

// localPath wants a descending path whose first element does not begin with
// dots, which the kubelet keeps for itself.
func localPath(target string, at *field.Path) field.ErrorList {
	errs := descendingPath(target, at)
	if strings.HasPrefix(target, "..") && !strings.HasPrefix(target, "../") {
		errs = append(errs, field.Invalid(at, target, "must not start with '..'"))
	}
	return errs
}
