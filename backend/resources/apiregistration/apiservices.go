package apiregistration

import (
	"context"
	"fmt"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// apiServices say who serves a group's version: this server, or a service that
// is asked. They are named version.group.
func apiServices(clock registry.Clock) registry.Resource {
	status := registry.For[*apiregistrationv1.APIService]{
		PrepareForUpdate: func(_ context.Context, s, old *apiregistrationv1.APIService) {
			s.Spec = old.Spec
			s.Labels, s.Annotations = old.Labels, old.Annotations
			s.Finalizers, s.OwnerReferences = old.Finalizers, old.OwnerReferences
		},
		ValidateUpdate: func(_ context.Context, s, _ *apiregistrationv1.APIService) field.ErrorList {
			return validateStatus(&s.Status, field.NewPath("status"))
		},
		RequireResourceVersion: true,
		ResetFields:            map[string][]string{group + "/v1": {"spec", "metadata"}},
	}.Strategy()
	return registry.Resource{
		Group:      group,
		Name:       "apiservices",
		Singular:   "apiservice",
		Kind:       "APIService",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &apiregistrationv1.APIService{} },
			Default: registry.Typed(func(s *apiregistrationv1.APIService) {
				if s.Spec.Service != nil && s.Spec.Service.Port == nil {
					s.Spec.Service.Port = new(int32(443))
				}
			}),
		}},
		Strategy: registry.For[*apiregistrationv1.APIService]{
			ValidateName: path.ValidatePathSegmentName,
			PrepareForCreate: func(_ context.Context, s *apiregistrationv1.APIService) {
				s.Status = apiregistrationv1.APIServiceStatus{}
				if s.Spec.Service == nil {
					s.Status.Conditions = []apiregistrationv1.APIServiceCondition{localAvailable(clock)}
				}
			},
			Validate: func(_ context.Context, s *apiregistrationv1.APIService) field.ErrorList { return validateAPIService(s) },
			PrepareForUpdate: func(_ context.Context, s, old *apiregistrationv1.APIService) {
				s.Status = old.Status
			},
			ValidateUpdate: func(_ context.Context, s, _ *apiregistrationv1.APIService) field.ErrorList {
				return validateAPIService(s)
			},
			ValidatesMetaOnUpdate:  1,
			RequireResourceVersion: true,
			ResetFields:            map[string][]string{group + "/v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Service", "The reference to the service that hosts this API endpoint."),
			printers.Column("Available", "Whether this service is available."),
			printers.Age,
		},
		Cells: registry.Row(cells),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

// localAvailable is the condition of what this server serves itself.
func localAvailable(clock registry.Clock) apiregistrationv1.APIServiceCondition {
	return apiregistrationv1.APIServiceCondition{
		Type:               apiregistrationv1.Available,
		Status:             apiregistrationv1.ConditionTrue,
		LastTransitionTime: metav1.NewTime(clock()),
		Reason:             "Local",
		Message:            "Local APIServices are always available",
	}
}

func cells(s *apiregistrationv1.APIService, now registry.Clock) []any {
	service := "Local"
	if s.Spec.Service != nil {
		service = s.Spec.Service.Namespace + "/" + s.Spec.Service.Name
	}
	available := string(apiregistrationv1.ConditionUnknown)
	for _, c := range s.Status.Conditions {
		if c.Type != apiregistrationv1.Available {
			continue
		}
		available = string(c.Status)
		if c.Status != apiregistrationv1.ConditionTrue && c.Reason != "" {
			available = fmt.Sprintf("%s (%s)", c.Status, c.Reason)
		}
		break
	}
	return []any{s.Name, service, available, printers.Since(s.CreationTimestamp, now)}
}

func validateAPIService(s *apiregistrationv1.APIService) field.ErrorList {
	errs := validateName(s)
	spec := field.NewPath("spec")
	if s.Spec.Group == "" {
		if s.Spec.Version != "v1" {
			errs = append(errs, field.Required(spec.Child("group"), "only v1 may have an empty group and it better be legacy kube"))
		}
	} else {
		errs = append(errs, validate.DNSSubdomain(s.Spec.Group, spec.Child("group"))...)
	}
	errs = append(errs, validate.Messages(spec.Child("version"), s.Spec.Version, validation.IsDNS1035Label(s.Spec.Version))...)
	if n := s.Spec.GroupPriorityMinimum; n <= 0 || n > 20000 {
		errs = append(errs, field.Invalid(spec.Child("groupPriorityMinimum"), n, "must be positive and less than 20000"))
	}
	if n := s.Spec.VersionPriority; n <= 0 || n > 1000 {
		errs = append(errs, field.Invalid(spec.Child("versionPriority"), n, "must be positive and less than 1000"))
	}
	if s.Spec.Service == nil {
		return append(errs, validateLocal(&s.Spec, spec)...)
	}
	return append(errs, validateService(&s.Spec, spec)...)
}

// validateName wants version.group; a name that fits into no path has been told
// by the Store.
func validateName(s *apiregistrationv1.APIService) field.ErrorList {
	want := s.Spec.Version + "." + s.Spec.Group
	if s.Name == want || s.Name == "" || len(path.IsValidPathSegmentName(s.Name)) > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), s.Name,
		fmt.Sprintf("must be `spec.version+\".\"+spec.group`: %q", want))}
}

func validateLocal(s *apiregistrationv1.APIServiceSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(s.CABundle) != 0 {
		errs = append(errs, field.Invalid(at.Child("caBundle"), fmt.Sprintf("%d bytes", len(s.CABundle)), "local APIServices may not have a caBundle"))
	}
	if s.InsecureSkipTLSVerify {
		errs = append(errs, field.Invalid(at.Child("insecureSkipTLSVerify"), s.InsecureSkipTLSVerify, "local APIServices may not have insecureSkipTLSVerify"))
	}
	return errs
}

func validateService(s *apiregistrationv1.APIServiceSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	service := at.Child("service")
	if s.Service.Namespace == "" {
		errs = append(errs, field.Required(service.Child("namespace"), ""))
	}
	if s.Service.Name == "" {
		errs = append(errs, field.Required(service.Child("name"), ""))
	}
	port := int32(0)
	if s.Service.Port != nil {
		port = *s.Service.Port
	}
	if messages := validation.IsValidPortNum(int(port)); messages != nil {
		errs = append(errs, field.Invalid(service.Child("port"), port, "port is not valid: "+strings.Join(messages, ", ")))
	}
	if s.InsecureSkipTLSVerify && len(s.CABundle) > 0 {
		errs = append(errs, field.Invalid(at.Child("insecureSkipTLSVerify"), s.InsecureSkipTLSVerify, "may not be true if caBundle is present"))
	}
	return errs
}

func validateStatus(s *apiregistrationv1.APIServiceStatus, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, c := range s.Conditions {
		errs = append(errs, validate.OneOf(at.Child("conditions").Index(i).Child("status"), c.Status, []apiregistrationv1.ConditionStatus{
			apiregistrationv1.ConditionTrue, apiregistrationv1.ConditionFalse, apiregistrationv1.ConditionUnknown,
		})...)
	}
	return errs
}
