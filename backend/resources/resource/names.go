package resource

import (
	"fmt"
	"strings"

	"pilothouse/backend/resources/validate"

	"github.com/google/uuid"
	resourcev1 "k8s.io/api/resource/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxQualifiedName is the length of the longest name of an attribute or
// capacity: domain, slash, id.
const maxQualifiedName = resourcev1.DeviceMaxDomainLength + 1 + resourcev1.DeviceMaxIDLength

// validatePoolName wants DNS subdomains separated by slashes.
func validatePoolName(name string, at *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	var errs field.ErrorList
	if len(name) > resourcev1.PoolNameMaxLength {
		errs = append(errs, field.TooLong(at, "", resourcev1.PoolNameMaxLength))
	}
	for _, part := range strings.Split(name, "/") {
		errs = append(errs, validate.DNSSubdomain(part, at)...)
	}
	return errs
}

func validateNodeName(name string, at *field.Path) field.ErrorList {
	return validate.Messages(at, name, apivalidation.NameIsDNSSubdomain(name, false))
}

// validateUID wants a UUID in its usual form.
func validateUID(uid string, at *field.Path) field.ErrorList {
	if err := uuid.Validate(uid); err != nil {
		return field.ErrorList{field.Invalid(at, uid, fmt.Sprintf("error validating uid: %v", err))}
	}
	if len(uid) != 36 || uid != strings.ToLower(uid) {
		return field.ErrorList{field.Invalid(at, uid, "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters")}
	}
	return nil
}

// validateQualifiedName wants an identifier, with a domain or without.
func validateQualifiedName(name resourcev1.QualifiedName, at *field.Path) field.ErrorList {
	parts := strings.Split(string(name), "/")
	switch len(parts) {
	case 1:
		return validateIdentifier(parts[0], at)
	case 2:
	default:
		return field.ErrorList{field.Invalid(at, string(name), "must not contain more than one slash")}
	}
	var errs field.ErrorList
	if parts[0] == "" {
		errs = append(errs, field.Invalid(at, "", "the domain must not be empty"))
	} else {
		errs = append(errs, validate.CSIDriverName(parts[0], at)...)
	}
	if parts[1] == "" {
		return append(errs, field.Invalid(at, "", "the name must not be empty"))
	}
	return append(errs, validateIdentifier(parts[1], at)...)
}

// validateFullName wants a qualified name with its domain.
func validateFullName(name resourcev1.FullyQualifiedName, at *field.Path) field.ErrorList {
	errs := validateQualifiedName(resourcev1.QualifiedName(name), at)
	if !strings.Contains(string(name), "/") {
		errs = append(errs, field.Invalid(at, name, "a fully qualified name must be a domain and a name separated by a slash"))
	}
	return errs
}

func validateIdentifier(id string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(id) > resourcev1.DeviceMaxIDLength {
		errs = append(errs, field.TooLong(at, "", resourcev1.DeviceMaxIDLength))
	}
	return append(errs, validate.Messages(at, id, validation.IsCIdentifier(id))...)
}
