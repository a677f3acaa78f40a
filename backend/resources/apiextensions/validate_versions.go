package apiextensions

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pilothouse/backend/resources/validate"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateVersion(v *apiextensions.CustomResourceDefinitionVersion, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if messages := validation.IsDNS1035Label(v.Name); len(messages) > 0 {
		errs = append(errs, field.Invalid(at.Child("name"), v.Name, strings.Join(messages, ",")))
	}
	for _, problem := range problemsOfWarning(v.Deprecated, v.DeprecationWarning) {
		errs = append(errs, field.Invalid(at.Child("deprecationWarning"), v.DeprecationWarning, problem))
	}
	errs = append(errs, validateSubresources(v.Subresources, at.Child("subresources"))...)
	for i := range v.AdditionalPrinterColumns {
		errs = append(errs, validateColumn(&v.AdditionalPrinterColumns[i], at.Child("additionalPrinterColumns").Index(i))...)
	}
	return errs
}

// problemsOfWarning wants a deprecation warning that fits into a header, on a
// deprecated version.
func problemsOfWarning(deprecated bool, warning *string) []string {
	switch {
	case warning == nil:
		return nil
	case !deprecated:
		return []string{"can only be set for deprecated versions"}
	}
	var out []string
	if len(*warning) > 256 {
		out = append(out, "must be <= 256 characters long")
	}
	if *warning == "" {
		out = append(out, "must not be an empty string")
	}
	for i, r := range *warning {
		if !unicode.IsPrint(r) {
			out = append(out, fmt.Sprintf("must only contain printable UTF-8 characters; non-printable character found at index %d", i))
			break
		}
	}
	if !utf8.ValidString(*warning) {
		out = append(out, "must only contain printable UTF-8 characters")
	}
	return out
}

// validateSubresources wants paths of scale to begin in spec and status.
func validateSubresources(s *apiextensions.CustomResourceSubresources, at *field.Path) field.ErrorList {
	if s == nil || s.Scale == nil {
		return nil
	}
	spec := at.Child("scale.specReplicasPath")
	errs := validateScalePath(s.Scale.SpecReplicasPath, []string{".spec."}, "should be a json path under .spec", spec)
	errs = append(errs, validateScalePath(s.Scale.StatusReplicasPath, []string{".status."}, "should be a json path under .status", at.Child("scale.statusReplicasPath"))...)
	if p := s.Scale.LabelSelectorPath; p != nil && *p != "" {
		errs = append(errs, validateScalePath(*p, []string{".spec.", ".status."}, "should be a json path under either .spec or .status", at.Child("scale.labelSelectorPath"))...)
	}
	return errs
}

func validateScalePath(path string, prefixes []string, message string, at *field.Path) field.ErrorList {
	if path == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	if errs := validateSimplePath(path, at); len(errs) > 0 {
		return errs
	}
	if !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
		return field.ErrorList{field.Invalid(at, path, message)}
	}
	return nil
}

func validateSimplePath(path string, at *field.Path) field.ErrorList {
	if path[0] != '.' {
		return field.ErrorList{field.Invalid(at, path, "must be a simple json path starting with .")}
	}
	return nil
}

// Types and formats of columns, sorted as errors list them.
var (
	columnTypes   = []string{"boolean", "date", "integer", "number", "string"}
	columnFormats = []string{"byte", "date", "date-time", "double", "float", "int32", "int64", "password"}
)

func validateColumn(c *apiextensions.CustomResourceColumnDefinition, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	}
	oneOf := "must be one of "
	if c.Type == "" {
		errs = append(errs, field.Required(at.Child("type"), oneOf+strings.Join(columnTypes, ",")))
	} else if !slices.Contains(columnTypes, c.Type) {
		errs = append(errs, field.Invalid(at.Child("type"), c.Type, oneOf+strings.Join(columnTypes, ",")))
	}
	if c.Format != "" && !slices.Contains(columnFormats, c.Format) {
		errs = append(errs, field.Invalid(at.Child("format"), c.Format, oneOf+strings.Join(columnFormats, ",")))
	}
	if c.JSONPath == "" {
		return append(errs, field.Required(at.Child("JSONPath"), ""))
	}
	return append(errs, validateSimplePath(c.JSONPath, at.Child("JSONPath"))...)
}

// reviewVersions are the versions of ConversionReview that this server speaks.
var reviewVersions = []string{"v1", "v1beta1"}

func hasReviewVersion(versions []string) bool {
	return slices.ContainsFunc(versions, func(v string) bool { return slices.Contains(reviewVersions, v) })
}

func validateConversion(c *apiextensions.CustomResourceConversion, requireRecognized bool, at *field.Path) field.ErrorList {
	if c == nil {
		return nil
	}
	errs := validateEnum(string(c.Strategy), []string{string(apiextensions.NoneConverter), string(apiextensions.WebhookConverter)}, at.Child("strategy"))
	client, versions := at.Child("webhookClientConfig"), at.Child("conversionReviewVersions")
	if c.Strategy != apiextensions.WebhookConverter {
		const unused = "should not be set when strategy is not set to Webhook"
		if c.WebhookClientConfig != nil {
			errs = append(errs, field.Forbidden(client, unused))
		}
		if len(c.ConversionReviewVersions) > 0 {
			errs = append(errs, field.Forbidden(versions, unused))
		}
		return errs
	}
	if c.WebhookClientConfig == nil {
		errs = append(errs, field.Required(client, "required when strategy is set to Webhook"))
	} else {
		errs = append(errs, validateClient(c.WebhookClientConfig, client)...)
	}
	return append(errs, validateReviewVersions(c.ConversionReviewVersions, requireRecognized, versions)...)
}

func validateClient(c *apiextensions.WebhookClientConfig, at *field.Path) field.ErrorList {
	switch {
	case (c.URL == nil) == (c.Service == nil):
		return field.ErrorList{field.Required(at, "exactly one of url or service is required")}
	case c.URL != nil:
		return validate.WebhookURL(at.Child("url"), *c.URL)
	}
	return validate.WebhookService(at.Child("service"), c.Service.Name, c.Service.Namespace, c.Service.Path, c.Service.Port)
}

func validateReviewVersions(versions []string, requireRecognized bool, at *field.Path) field.ErrorList {
	if len(versions) == 0 {
		return field.ErrorList{field.Required(at, "")}
	}
	var errs field.ErrorList
	for i, v := range versions {
		if slices.Contains(versions[:i], v) {
			errs = append(errs, field.Invalid(at.Index(i), v, "duplicate version"))
			continue
		}
		errs = append(errs, validate.Messages(at.Index(i), v, validation.IsDNS1035Label(v))...)
	}
	if requireRecognized && !hasReviewVersion(versions) {
		errs = append(errs, field.Invalid(at, versions, "must include at least one of "+strings.Join(reviewVersions, ", ")))
	}
	return errs
}
