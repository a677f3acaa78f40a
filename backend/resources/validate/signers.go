package validate

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// SignerName wants the name of a signer of certificates: a domain and a path,
// as in "example.com/signer-name".
func SignerName(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	segments := strings.Split(name, "/")
	if len(segments) != 2 {
		return field.ErrorList{field.Invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")}
	}
	var errs field.ErrorList
	domain, rest := segments[0], segments[1]
	if len(domain) > validation.DNS1123SubdomainMaxLength {
		errs = append(errs, field.TooLong(path, domain, validation.DNS1123SubdomainMaxLength))
	}
	labels := strings.Split(domain, ".")
	errs = append(errs, firstBadLabel(path, domain, labels, validation.IsDNS1123Label)...)
	if len(labels) < 2 {
		errs = append(errs, field.Invalid(path, domain, "should be a domain with at least two segments separated by dots"))
	}
	errs = append(errs, firstBadLabel(path, rest, strings.Split(rest, "."), validation.IsDNS1123Subdomain)...)
	const maxPath = validation.DNS1123SubdomainMaxLength + validation.DNS1123LabelMaxLength + 1
	const maxName = validation.DNS1123SubdomainMaxLength + maxPath + 1
	if len(name) > maxName {
		errs = append(errs, field.TooLong(path, name, maxName))
	}
	return errs
}

// firstBadLabel tells all that is wrong with the first label that is wrong.
func firstBadLabel(path *field.Path, segment string, labels []string, check func(string) []string) field.ErrorList {
	for _, label := range labels {
		messages := check(label)
		if len(messages) == 0 {
			continue
		}
		var errs field.ErrorList
		for _, m := range messages {
			errs = append(errs, field.Invalid(path, segment, fmt.Sprintf("validating label %q: %s", label, m)))
		}
		return errs
	}
	return nil
}
