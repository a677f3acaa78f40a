package networking

import (
	"context"
	"fmt"
	"strings"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

var specPath = field.NewPath("spec")

// ingressRules say which old mistakes an update may keep.
type ingressRules struct {
	anySecretName       bool
	anyRuleWithWildcard bool
}

func validateIngressCreate(_ context.Context, in *networkingv1.Ingress) field.ErrorList {
	errs := ingressRules{}.validate(&in.Spec)
	class := in.Spec.IngressClassName
	if annotation, ok := in.Annotations[ingressClassAnnotation]; ok && class != nil && annotation != *class {
		errs = append(errs, field.Invalid(field.NewPath("annotations").Child(ingressClassAnnotation), annotation, "must match `ingressClassName` when both are specified"))
	}
	return errs
}

func validateIngressUpdate(_ context.Context, in, old *networkingv1.Ingress) field.ErrorList {
	var r ingressRules
	for _, tls := range old.Spec.TLS {
		r.anySecretName = r.anySecretName || len(secretNameFaults(tls.SecretName)) > 0
	}
	for i := range old.Spec.Rules {
		rule := &old.Spec.Rules[i]
		if strings.Contains(rule.Host, "*") && len(ingressRules{}.validateRule(rule, nil)) > 0 {
			r.anyRuleWithWildcard = true
		}
	}
	return r.validate(&in.Spec)
}

func (r ingressRules) validate(spec *networkingv1.IngressSpec) field.ErrorList {
	var errs field.ErrorList
	if len(spec.Rules) == 0 && spec.DefaultBackend == nil {
		errs = append(errs, field.Invalid(specPath, validate.Internal(spec.Rules), "either `defaultBackend` or `rules` must be specified"))
	}
	if spec.DefaultBackend != nil {
		errs = append(errs, validateBackend(spec.DefaultBackend, specPath.Child("defaultBackend"))...)
	}
	for i := range spec.Rules {
		rule, path := &spec.Rules[i], specPath.Child("rules").Index(i)
		errs = append(errs, validateHost(rule.Host, path.Child("host"))...)
		if !strings.Contains(rule.Host, "*") || !r.anyRuleWithWildcard {
			errs = append(errs, r.validateRule(rule, path)...)
		}
	}
	for i := range spec.TLS {
		errs = append(errs, r.validateTLS(&spec.TLS[i], specPath.Child("tls").Index(i))...)
	}
	if c := spec.IngressClassName; c != nil {
		errs = append(errs, validate.DNSSubdomain(*c, specPath.Child("ingressClassName"))...)
	}
	return errs
}

func validateHost(host string, path *field.Path) field.ErrorList {
	if host == "" {
		return nil
	}
	var errs field.ErrorList
	if netutils.ParseIPSloppy(host) != nil {
		errs = append(errs, field.Invalid(path, host, "must be a DNS name, not an IP address"))
	}
	return append(errs, validateWildcardName(host, path)...)
}

func validateWildcardName(host string, path *field.Path) field.ErrorList {
	if strings.Contains(host, "*") {
		return validate.Messages(path, host, validation.IsWildcardDNS1123Subdomain(host))
	}
	return validate.DNSSubdomain(host, path)
}

func (r ingressRules) validateTLS(tls *networkingv1.IngressTLS, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, host := range tls.Hosts {
		errs = append(errs, validateWildcardName(host, path.Child("hosts").Index(i))...)
	}
	if !r.anySecretName {
		errs = append(errs, validate.Messages(path.Child("secretName"), tls.SecretName, secretNameFaults(tls.SecretName))...)
	}
	return errs
}

func secretNameFaults(name string) []string {
	if name == "" {
		return nil
	}
	return apivalidation.NameIsDNSSubdomain(name, false)
}

func (r ingressRules) validateRule(rule *networkingv1.IngressRule, path *field.Path) field.ErrorList {
	if rule.HTTP == nil {
		return nil
	}
	paths := path.Child("http").Child("paths")
	var errs field.ErrorList
	if len(rule.HTTP.Paths) == 0 {
		errs = append(errs, field.Required(paths, ""))
	}
	for i := range rule.HTTP.Paths {
		errs = append(errs, validateHTTPPath(&rule.HTTP.Paths[i], paths.Index(i))...)
	}
	return errs
}

var (
	pathTypes = []networkingv1.PathType{networkingv1.PathTypeExact, networkingv1.PathTypeImplementationSpecific, networkingv1.PathTypePrefix}

	forbiddenInPaths    = []string{"//", "/./", "/../", "%2f", "%2F"}
	forbiddenAtPathEnds = []string{"/..", "/."}
)

func validateHTTPPath(p *networkingv1.HTTPIngressPath, path *field.Path) field.ErrorList {
	if p.PathType == nil {
		return field.ErrorList{field.Required(path.Child("pathType"), "pathType must be specified")}
	}
	at := path.Child("path")
	absolute := strings.HasPrefix(p.Path, "/")
	var errs field.ErrorList
	switch *p.PathType {
	case networkingv1.PathTypeExact, networkingv1.PathTypePrefix:
		if !absolute {
			errs = append(errs, field.Invalid(at, p.Path, "must be an absolute path"))
		}
		for _, s := range forbiddenInPaths {
			if strings.Contains(p.Path, s) {
				errs = append(errs, field.Invalid(at, p.Path, fmt.Sprintf("must not contain '%s'", s)))
			}
		}
		for _, s := range forbiddenAtPathEnds {
			if strings.HasSuffix(p.Path, s) {
				errs = append(errs, field.Invalid(at, p.Path, fmt.Sprintf("cannot end with '%s'", s)))
			}
		}
	case networkingv1.PathTypeImplementationSpecific:
		if p.Path != "" && !absolute {
			errs = append(errs, field.Invalid(at, p.Path, "must be an absolute path"))
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("pathType"), *p.PathType, pathTypes))
	}
	return append(errs, validateBackend(&p.Backend, path.Child("backend"))...)
}

func validateBackend(b *networkingv1.IngressBackend, path *field.Path) field.ErrorList {
	switch {
	case b.Resource != nil && b.Service != nil:
		return field.ErrorList{field.Invalid(path, "", "cannot set both resource and service backends")}
	case b.Resource != nil:
		return validateObjectReference(b.Resource, path.Child("resource"))
	case b.Service != nil:
		return validateServiceBackend(b.Service, path)
	}
	return field.ErrorList{field.Invalid(path, "", "resource or service backend is required")}
}

func validateServiceBackend(s *networkingv1.IngressServiceBackend, path *field.Path) field.ErrorList {
	name, port := path.Child("service", "name"), path.Child("service", "port")
	var errs field.ErrorList
	if s.Name == "" {
		errs = append(errs, field.Required(name, ""))
	} else {
		errs = append(errs, validate.Messages(name, s.Name, apivalidation.NameIsDNSLabel(s.Name, false))...)
	}
	switch {
	case s.Port.Name != "" && s.Port.Number != 0:
		errs = append(errs, field.Invalid(path, "", "cannot set both port name & port number"))
	case s.Port.Name != "":
		errs = append(errs, validate.Messages(port.Child("name"), s.Port.Name, validation.IsValidPortName(s.Port.Name))...)
	case s.Port.Number != 0:
		errs = append(errs, validate.PortNumber(s.Port.Number, port.Child("number"))...)
	default:
		errs = append(errs, field.Required(path, "port name or number is required"))
	}
	return errs
}

func validateObjectReference(ref *corev1.TypedLocalObjectReference, path *field.Path) field.ErrorList {
	return validateReference(ref.APIGroup, ref.Kind, ref.Name, path)
}

// validateReference looks at the parts that all references have.
func validateReference(group *string, kind, name string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if group != nil {
		errs = append(errs, validate.DNSSubdomain(*group, path.Child("apiGroup"))...)
	}
	errs = append(errs, validateSegment(kind, path.Child("kind"))...)
	return append(errs, validateSegment(name, path.Child("name"))...)
}

// validateSegment wants a value that can be a part of a URL's path.
func validateSegment(value string, path *field.Path) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return validate.Messages(path, value, content.IsPathSegmentName(value))
}

func validateIngressStatus(_ context.Context, in, old *networkingv1.Ingress) field.ErrorList {
	var existing []string
	for _, b := range old.Status.LoadBalancer.Ingress {
		existing = append(existing, b.IP)
	}
	var errs field.ErrorList
	for i, b := range in.Status.LoadBalancer.Ingress {
		path := field.NewPath("status", "loadBalancer", "ingress").Index(i)
		if b.IP != "" {
			errs = append(errs, validate.IP(path.Child("ip"), b.IP, existing...)...)
		}
		if b.Hostname != "" {
			errs = append(errs, validate.DNSSubdomain(b.Hostname, path.Child("hostname"))...)
			if netutils.ParseIPSloppy(b.Hostname) != nil {
				errs = append(errs, field.Invalid(path.Child("hostname"), b.Hostname, "must be a DNS name, not an IP address"))
			}
		}
	}
	return errs
}
