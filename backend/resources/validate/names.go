package validate

import (
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Messages gives one Invalid error for each message about value.
func Messages(path *field.Path, value any, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, m := range messages {
		errs = append(errs, field.Invalid(path, value, m))
	}
	return errs
}

// DNSLabel wants an RFC 1123 label.
func DNSLabel(value string, path *field.Path) field.ErrorList {
	return Messages(path, value, validation.IsDNS1123Label(value))
}

// DNSSubdomain wants an RFC 1123 subdomain.
func DNSSubdomain(value string, path *field.Path) field.ErrorList {
	return Messages(path, value, validation.IsDNS1123Subdomain(value))
}

// QualifiedName wants a name with an optional prefix of a DNS subdomain.
func QualifiedName(value string, path *field.Path) field.ErrorList {
	return Messages(path, value, validation.IsQualifiedName(value))
}

// WholeNameIsDNSSubdomain is the rule for names of kinds that look at whole
// names only: what a name is to be generated from may be anything.
func WholeNameIsDNSSubdomain(name string, prefix bool) []string {
	if prefix {
		return path.IsValidPathSegmentPrefix(name)
	}
	return content.IsDNS1123Subdomain(name)
}
