package networking

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func ingressClassResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    "networking.k8s.io",
		Name:     "ingressclasses",
		Singular: "ingressclass",
		Kind:     "IngressClass",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &networkingv1.IngressClass{} },
			Default: registry.Typed(func(c *networkingv1.IngressClass) {
				if p := c.Spec.Parameters; p != nil && p.Scope == nil {
					p.Scope = new(networkingv1.IngressClassParametersReferenceScopeCluster)
				}
			}),
		}},
		Strategy: registry.For[*networkingv1.IngressClass]{
			ValidatesMetaOnUpdate: 1,
			PrepareForCreate:      func(_ context.Context, c *networkingv1.IngressClass) { c.Generation = 1 },
			PrepareForUpdate: func(_ context.Context, c, old *networkingv1.IngressClass) {
				c.Generation = nextGeneration(old.Generation, c.Spec, old.Spec)
			},
			Validate: func(_ context.Context, c *networkingv1.IngressClass) field.ErrorList {
				return validateIngressClass(&c.Spec)
			},
			ValidateUpdate: func(_ context.Context, c, old *networkingv1.IngressClass) field.ErrorList {
				errs := apivalidation.ValidateImmutableField(c.Spec.Controller, old.Spec.Controller, specPath.Child("controller"))
				return append(errs, validateIngressClass(&c.Spec)...)
			},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Controller", "Controller that is responsible for handling this class"),
			printers.Column("Parameters", "A reference to a resource with additional parameters"),
			printers.Age,
		},
		Cells: registry.Row(func(c *networkingv1.IngressClass, now registry.Clock) []any {
			return []any{c.Name, c.Spec.Controller, classParameters(c.Spec.Parameters), printers.Since(c.CreationTimestamp, now)}
		}),
	}
}

func classParameters(p *networkingv1.IngressClassParametersReference) string {
	if p == nil {
		return "<none>"
	}
	kind := p.Kind
	if p.APIGroup != nil {
		kind += "." + *p.APIGroup
	}
	return kind + "/" + p.Name
}

// maxControllerName is in bytes.
const maxControllerName = 250

func validateIngressClass(spec *networkingv1.IngressClassSpec) field.ErrorList {
	path := specPath.Child("controller")
	var errs field.ErrorList
	if spec.Controller == "" {
		errs = append(errs, field.Required(path, ""))
	} else {
		if len(spec.Controller) > maxControllerName {
			errs = append(errs, field.TooLong(path, "", maxControllerName))
		}
		errs = append(errs, validation.IsDomainPrefixedPath(path, spec.Controller)...)
	}
	if spec.Parameters != nil {
		errs = append(errs, validateClassParameters(spec.Parameters, specPath.Child("parameters"))...)
	}
	return errs
}

func validateClassParameters(p *networkingv1.IngressClassParametersReference, path *field.Path) field.ErrorList {
	errs := validateReference(p.APIGroup, p.Kind, p.Name, path)
	scope, namespace := path.Child("scope"), path.Child("namespace")
	if p.Scope == nil {
		return append(errs, field.Required(scope, ""))
	}
	switch *p.Scope {
	case networkingv1.IngressClassParametersReferenceScopeNamespace:
		if p.Namespace == nil {
			errs = append(errs, field.Required(namespace, "`parameters.scope` is set to 'Namespace'"))
		} else {
			errs = append(errs, validate.Messages(namespace, *p.Namespace, apivalidation.ValidateNamespaceName(*p.Namespace, false))...)
		}
	case networkingv1.IngressClassParametersReferenceScopeCluster:
		if p.Namespace != nil {
			errs = append(errs, field.Forbidden(namespace, "`parameters.scope` is set to 'Cluster'"))
		}
	default:
		errs = append(errs, field.NotSupported(scope, *p.Scope, []string{
			networkingv1.IngressClassParametersReferenceScopeCluster,
			networkingv1.IngressClassParametersReferenceScopeNamespace,
		}))
	}
	return errs
}
