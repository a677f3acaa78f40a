package apiextensions

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateDefinition checks a definition, which replaces old unless that is
// nil.
func validateDefinition(d, old *apiextensions.CustomResourceDefinition) field.ErrorList {
	var errs field.ErrorList
	spec := field.NewPath("spec")
	if old == nil {
		errs = validateName(d)
		errs = append(errs, validateSpec(&d.Spec, nil, spec)...)
	} else {
		errs = validateSpec(&d.Spec, &old.Spec, spec)
		errs = append(errs, validateFixed(d, old, spec)...)
	}
	errs = append(errs, validateStatus(d)...)
	errs = append(errs, validateStoredVersions(d.Status.StoredVersions, d.Spec.Versions, field.NewPath("status", "storedVersions"))...)
	errs = append(errs, validateApproval(d, old)...)
	return append(errs, validatePreserve(d, old)...)
}

func validateName(d *apiextensions.CustomResourceDefinition) field.ErrorList {
	if d.Name == d.Spec.Names.Plural+"."+d.Spec.Group {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), d.Name, `must be spec.names.plural+"."+spec.group`)}
}

// validateFixed refuses changes to what storage depends on.
func validateFixed(d, old *apiextensions.CustomResourceDefinition, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if apiextensions.IsCRDConditionTrue(old, apiextensions.Established) {
		errs = append(errs, apivalidation.ValidateImmutableField(d.Spec.Scope, old.Spec.Scope, at.Child("scope"))...)
		errs = append(errs, apivalidation.ValidateImmutableField(d.Spec.Names.Kind, old.Spec.Names.Kind, at.Child("names", "kind"))...)
	}
	errs = append(errs, apivalidation.ValidateImmutableField(d.Spec.Group, old.Spec.Group, at.Child("group"))...)
	return append(errs, apivalidation.ValidateImmutableField(d.Spec.Names.Plural, old.Spec.Names.Plural, at.Child("names", "plural"))...)
}

func validateSpec(s, old *apiextensions.CustomResourceDefinitionSpec, at *field.Path) field.ErrorList {
	errs := validateGroup(s.Group, at.Child("group"))
	errs = append(errs, validateEnum(string(s.Scope), []string{string(apiextensions.ClusterScoped), string(apiextensions.NamespaceScoped)}, at.Child("scope"))...)
	errs = append(errs, requireSchemas(s, old, at.Child("versions"))...)
	for i := range s.Versions {
		errs = append(errs, validateVersion(&s.Versions[i], at.Child("versions").Index(i))...)
	}
	errs = append(errs, validateVersionList(s, at)...)

	names := at.Child("names")
	required := func(value, name string) {
		if value == "" {
			errs = append(errs, field.Required(names.Child(name), ""))
		}
	}
	required(s.Names.Plural, "plural")
	required(s.Names.Singular, "singular")
	required(s.Names.Kind, "kind")
	required(s.Names.ListKind, "listKind")
	errs = append(errs, validateNames(&s.Names, names)...)

	errs = append(errs, validateSubresources(s.Subresources, at.Child("subresources"))...)
	for i := range s.AdditionalPrinterColumns {
		errs = append(errs, validateColumn(&s.AdditionalPrinterColumns[i], at.Child("additionalPrinterColumns").Index(i))...)
	}
	preserves := s.PreserveUnknownFields == nil || *s.PreserveUnknownFields
	if s.Conversion != nil && s.Conversion.Strategy != apiextensions.NoneConverter && preserves {
		errs = append(errs, field.Invalid(at.Child("conversion", "strategy"), s.Conversion.Strategy, "must be None if spec.preserveUnknownFields is true"))
	}
	recognized := old == nil || old.Conversion == nil || len(old.Conversion.ConversionReviewVersions) == 0 || hasReviewVersion(old.Conversion.ConversionReviewVersions)
	return append(errs, validateConversion(s.Conversion, recognized, at.Child("conversion"))...)
}

func validateGroup(name string, at *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	if messages := validation.IsDNS1123Subdomain(name); len(messages) > 0 {
		return field.ErrorList{field.Invalid(at, name, strings.Join(messages, ","))}
	}
	if !strings.Contains(name, ".") {
		return field.ErrorList{field.Invalid(at, name, "should be a domain with at least one dot")}
	}
	return nil
}

func validateEnum(value string, accepted []string, at *field.Path) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return validate.OneOf(at, value, accepted)
}

// requireSchemas wants a schema for every version, unless the definition has
// been without.
func requireSchemas(s, old *apiextensions.CustomResourceDefinitionSpec, at *field.Path) field.ErrorList {
	if hasSchema(s.Validation) {
		return nil
	}
	var errs field.ErrorList
	strict := old == nil || allHaveSchemas(old)
	pruned := s.PreserveUnknownFields == nil || !*s.PreserveUnknownFields
	for i, v := range s.Versions {
		if hasSchema(v.Schema) {
			continue
		}
		path := at.Index(i).Child("schema", "openAPIV3Schema")
		if strict {
			errs = append(errs, field.Required(path, ""))
		} else if pruned && v.Served {
			errs = append(errs, field.Required(path, "because otherwise all fields are pruned"))
		}
	}
	return errs
}

func hasSchema(v *apiextensions.CustomResourceValidation) bool {
	return v != nil && v.OpenAPIV3Schema != nil
}

func allHaveSchemas(s *apiextensions.CustomResourceDefinitionSpec) bool {
	return hasSchema(s.Validation) || !slices.ContainsFunc(s.Versions, func(v apiextensions.CustomResourceDefinitionVersion) bool {
		return !hasSchema(v.Schema)
	})
}

// validateVersionList wants versions of different names, one of which stores.
func validateVersionList(s *apiextensions.CustomResourceDefinitionSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	storage, unique := 0, true
	for i, v := range s.Versions {
		if v.Storage {
			storage++
		}
		for _, before := range s.Versions[:i] {
			unique = unique && before.Name != v.Name
		}
	}
	versions := at.Child("versions")
	if !unique {
		errs = append(errs, field.Invalid(versions, s.Versions, "must contain unique version names"))
	}
	if storage != 1 {
		errs = append(errs, field.Invalid(versions, s.Versions, "must have exactly one version marked as storage version"))
	}
	if s.Version != "" {
		if messages := validation.IsDNS1035Label(s.Version); len(messages) > 0 {
			errs = append(errs, field.Invalid(at.Child("version"), s.Version, strings.Join(messages, ",")))
		}
	}
	return errs
}

func validateStatus(d *apiextensions.CustomResourceDefinition) field.ErrorList {
	return validateNames(&d.Status.AcceptedNames, field.NewPath("status", "acceptedNames"))
}

func validateNames(n *apiextensions.CustomResourceDefinitionNames, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	label := func(value, checked, prefix string, path *field.Path) {
		if messages := validation.IsDNS1035Label(checked); len(messages) > 0 {
			errs = append(errs, field.Invalid(path, value, prefix+strings.Join(messages, ",")))
		}
	}
	const mixed = "may have mixed case, but should otherwise match: "
	if n.Plural != "" {
		label(n.Plural, n.Plural, "", at.Child("plural"))
	}
	if n.Singular != "" {
		label(n.Singular, n.Singular, "", at.Child("singular"))
	}
	if n.Kind != "" {
		label(n.Kind, strings.ToLower(n.Kind), mixed, at.Child("kind"))
	}
	if n.ListKind != "" {
		label(n.ListKind, strings.ToLower(n.ListKind), mixed, at.Child("listKind"))
	}
	for i, name := range n.ShortNames {
		label(name, name, "", at.Child("shortNames").Index(i))
	}
	if n.Kind != "" && n.Kind == n.ListKind {
		errs = append(errs, field.Invalid(at.Child("listKind"), n.ListKind, "kind and listKind may not be the same"))
	}
	for i, category := range n.Categories {
		label(category, category, "", at.Child("categories").Index(i))
	}
	return errs
}

// validateStoredVersions wants every version that objects may be stored in to
// be defined, and the storage version to be among them.
func validateStoredVersions(stored []string, versions []apiextensions.CustomResourceDefinitionVersion, at *field.Path) field.ErrorList {
	if len(stored) == 0 {
		return field.ErrorList{field.Invalid(at, stored, "must have at least one stored version")}
	}
	var errs field.ErrorList
	for _, v := range versions {
		if v.Storage && !slices.Contains(stored, v.Name) {
			errs = append(errs, field.Invalid(at, stored, "must have the storage version "+v.Name))
		}
	}
	for i, name := range stored {
		defined := slices.ContainsFunc(versions, func(v apiextensions.CustomResourceDefinitionVersion) bool { return v.Name == name })
		if !defined {
			errs = append(errs, field.Invalid(at.Index(i), name, fmt.Sprintf("missing from spec.versions; %[1]s was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in %[1]s and removes %[1]s from status.storedVersions", name)))
		}
	}
	return errs
}

// validateApproval wants definitions in the groups of Kubernetes itself to say
// who approved them. An approval that stays as it is passes.
func validateApproval(d, old *apiextensions.CustomResourceDefinition) field.ErrorList {
	if !isProtected(d.Spec.Group) {
		return nil
	}
	const annotation = apiextensionsv1.KubeAPIApprovedAnnotation
	approved, problem := approval(d.Annotations[annotation])
	if old != nil {
		if before, _ := approval(old.Annotations[annotation]); before == approved {
			return nil
		}
	}
	at := field.NewPath("metadata", "annotations").Key(annotation)
	switch approved {
	case approvalMissing:
		return field.ErrorList{field.Required(at, problem)}
	case approvalInvalid:
		return field.ErrorList{field.Invalid(at, d.Annotations[annotation], problem)}
	}
	return nil
}

func isProtected(group string) bool {
	return group == "k8s.io" || strings.HasSuffix(group, ".k8s.io") ||
		group == "kubernetes.io" || strings.HasSuffix(group, ".kubernetes.io")
}

type approvalState int

const (
	approvalMissing approvalState = iota
	approvalInvalid
	approvalBypassed
	approvalGiven
)

func approval(text string) (approvalState, string) {
	const needed = `protected groups must have approval annotation "api-approved.kubernetes.io"`
	const proposal = ", see https://github.com/kubernetes/enhancements/pull/1111"
	if text == "" {
		return approvalMissing, needed + proposal
	}
	if strings.HasPrefix(text, "unapproved") {
		return approvalBypassed, ""
	}
	if u, err := url.ParseRequestURI(text); err == nil && u.Host != "" && u.Scheme != "" {
		return approvalGiven, ""
	}
	return approvalInvalid, needed + ` with either a URL or a reason starting with "unapproved"` + proposal
}

func validatePreserve(d, old *apiextensions.CustomResourceDefinition) field.ErrorList {
	preserves := func(d *apiextensions.CustomResourceDefinition) bool {
		return d != nil && d.Spec.PreserveUnknownFields != nil && *d.Spec.PreserveUnknownFields
	}
	if preserves(old) || !preserves(d) {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("spec", "preserveUnknownFields"), true,
		"cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead")}
}
