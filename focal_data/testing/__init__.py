"""What users import to test what they build on focal_data: engines, fixtures, factories, suites."""
