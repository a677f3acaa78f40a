package validate

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxDriverName is the length of the longest name of a driver.
const maxDriverName = 63

// CSIDriverName wants the name of a CSI driver, or of a driver of devices: a
// DNS subdomain of at most 63 characters, where capitals count as small.
func CSIDriverName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if len(name) > maxDriverName {
		errs = append(errs, field.TooLong(path, "", maxDriverName))
	}
	return append(errs, Messages(path, name, validation.IsDNS1123Subdomain(strings.ToLower(name)))...)
}
