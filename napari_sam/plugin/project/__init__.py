"""A project in a viewer: its images, labels and models at work beside the user."""
