"""`roundtale evaluate`: how good the stories are, beside people's and beside a plain model's."""
